# This method as stage 1, with the second stage of configs/fsptal_refined/ behind it.
_base_ = ['./base_thumos14shaped.py']

# The second stage has two networks: one on the features X, one on F, the output of the trunk.
inputs = [dict(in_channels=256), dict(inputs='embedding', in_channels=256)]
model = dict(refinement=dict(type='RefinementHead', num_classes=20, members=inputs, stage1_power=1.0))
# Automatic points lie near the middle of actions, so their spread is small.
custom_hooks = [dict(type='RefinementHook', begin=75, pseudo_segments=dict(point_spread=0.05))]
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(refinement=dict(lr_mult=1e-3 / 3e-4))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=75, end=80),
    dict(type='CosineAnnealingLR', eta_min=0, begin=80, end=125),
]
train_cfg = dict(max_epochs=125, val_interval=75)
find_unused_parameters = True  # each stage trains alone: the weights of the other get no gradients
