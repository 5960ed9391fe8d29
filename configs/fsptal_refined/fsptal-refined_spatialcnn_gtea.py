_base_ = ['../fsptal_tuned/fsptal-tuned_spatialcnn_gtea.py']

# The second stage has two networks: one on the features X, one on F, the output of the trunk.
inputs = [dict(in_channels=128), dict(inputs='embedding', in_channels=512)]
second_stage = dict(num_classes=7, members=inputs, stage1_power=0.3, max_proposals_per_class=100)
model = dict(refinement=dict(type='RefinementHead', **second_stage))
# Stage 1 trains twice as long as it does alone, since its proposals make better pseudo segments then.
custom_hooks = [
    dict(type='PseudoLabelMiningHook', interval=10, end=80),
    dict(type='RefinementHook', begin=80, pseudo_segments=dict(change_points=1.0)),
]
# In stage 1, the learning rate is constant. In the second stage, it rises to 1e-3 within 5 epochs, then falls to 0.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(refinement=dict(lr_mult=1e-3 / 3e-4))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=80, end=85),
    dict(type='CosineAnnealingLR', eta_min=0, begin=85, end=120),
]
train_cfg = dict(max_epochs=120, val_interval=80)
find_unused_parameters = True  # each stage trains alone: the weights of the other get no gradients
