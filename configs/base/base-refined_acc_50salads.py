# This method as stage 1, with the second stage of configs/fsptal_refined/ behind it.
_base_ = ['./base_acc_50salads.py']

# The second stage has two networks: one on the features X, one on F, the output of the trunk.
inputs = [dict(in_channels=150), dict(inputs='embedding', in_channels=512)]
second_stage = dict(num_classes=10, members=inputs, stage1_power=0.3, max_proposals_per_class=100)
model = dict(refinement=dict(type='RefinementHead', **second_stage))
custom_hooks = [dict(type='RefinementHook', begin=60, pseudo_segments=dict(change_points=1.0))]
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(refinement=dict(lr_mult=1e-3 / 1e-3))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=60, end=65),
    dict(type='CosineAnnealingLR', eta_min=0, begin=65, end=100),
]
train_cfg = dict(max_epochs=100, val_interval=60)
find_unused_parameters = True  # each stage trains alone: the weights of the other get no gradients
