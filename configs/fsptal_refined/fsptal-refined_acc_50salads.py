_base_ = ['../fsptal_tuned/fsptal-tuned_acc_50salads.py']

stage1_epochs, all_epochs = 40, 80  # stage 1 as in fsptal-tuned_acc_50salads.py, then the second stage
model = dict(refinement=dict(type='RefinementHead', num_classes=10, in_channels=150))
custom_hooks = [
    dict(type='PseudoLabelMiningHook', interval=10, end=stage1_epochs),
    dict(type='RefinementHook', begin=stage1_epochs),
]
# The second stage at a rate of 1e-3 that rises within two epochs and falls to 0; the rate of stage 1 is constant.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(refinement=dict(lr_mult=1e-3 / 3e-4))))
second_stage = dict(by_epoch=True, convert_to_iter_based=True, end=all_epochs)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.02, **second_stage | dict(begin=stage1_epochs, end=stage1_epochs + 5)),
    dict(type='CosineAnnealingLR', eta_min=0, begin=stage1_epochs + 5, **second_stage),
]
train_cfg = dict(max_epochs=all_epochs, val_interval=stage1_epochs)
find_unused_parameters = True  # each stage trains without the other
