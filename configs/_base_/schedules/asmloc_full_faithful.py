# As in ASM-Loc's public code for THUMOS14: 800 epochs in steps of 16 videos; further models begin at 100, 200 and 300.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4, weight_decay=5e-5))
param_scheduler = []
custom_hooks = [dict(type='StageHook', epochs=[100, 200, 300])]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=800, val_interval=800)
find_unused_parameters = True  # each stage trains alone: the weights of the others get no gradients
