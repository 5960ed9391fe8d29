_base_ = ['../fsptal/fsptal_i3d_beoid.py']

# The second stage has two networks: one on the features X, one on F, the output of the trunk.
inputs = [dict(in_channels=2048), dict(inputs='embedding', in_channels=2048)]
model = dict(refinement=dict(type='RefinementHead', num_classes=34, members=inputs, stage1_power=0.3))
train_pipeline = {{_base_.embedding_extended}}  # the second stage needs features that are not resampled
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
custom_hooks = [
    dict(type='PseudoLabelMiningHook', interval=10, end=200),
    # Automatic points lie near the middle of actions, so their spread is small.
    dict(type='RefinementHook', begin=200, pseudo_segments=dict(change_points=1.0, point_spread=0.05)),
]
# In stage 1, the learning rate is constant. In the second stage, it rises to 1e-3 within 5 epochs, then falls to 0.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(refinement=dict(lr_mult=1e-3 / 1e-4))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=200, end=205),
    dict(type='CosineAnnealingLR', eta_min=0, begin=205, end=250),
]
train_cfg = dict(max_epochs=250, val_interval=200)
find_unused_parameters = True  # each stage trains alone: the weights of the other get no gradients
