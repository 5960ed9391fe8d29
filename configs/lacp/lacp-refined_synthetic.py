# This method as stage 1, with the second stage of configs/fsptal_refined/ behind it.
_base_ = ['./lacp_synthetic.py']

# The second stage has two networks: one on the features X, one on F, the output of the trunk.
inputs = [dict(in_channels=64), dict(inputs='embedding', in_channels=256)]
model = dict(refinement=dict(type='RefinementHead', num_classes=10, members=inputs, stage1_power=1.0))
# Stage 1 trains twice as long as it does alone, since its proposals make better pseudo segments then.
custom_hooks = [dict(type='RefinementHook', begin=150)]
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(refinement=dict(lr_mult=1e-3 / 1e-3, decay_mult=0))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=150, end=155),
    dict(type='CosineAnnealingLR', eta_min=0, begin=155, end=180),
]
train_cfg = dict(max_epochs=180, val_interval=150)
find_unused_parameters = True  # each stage trains alone: the weights of the other get no gradients
