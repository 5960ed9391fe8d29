# This method as stage 1, with the second stage of configs/fsptal_refined/ behind it.
_base_ = ['./base_synthetic.py']

# The second stage has two networks: one on the features X, one on F, the output of the trunk.
inputs = [dict(in_channels=64), dict(inputs='embedding', in_channels=256)]
model = dict(refinement=dict(type='RefinementHead', num_classes=10, members=inputs, stage1_power=1.0))
custom_hooks = [dict(type='RefinementHook', begin=75)]
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(refinement=dict(lr_mult=1e-3 / 1e-3))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=75, end=80),
    dict(type='CosineAnnealingLR', eta_min=0, begin=80, end=105),
]
train_cfg = dict(max_epochs=105, val_interval=75)
find_unused_parameters = True  # each stage trains alone: the weights of the other get no gradients
