# As many passes over the videos as in HR-Pro's public code on the 200 videos of THUMOS14: 1,000 steps of 16 videos are
# 80 epochs.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4, weight_decay=5e-4))
param_scheduler = []
custom_hooks = [dict(type='PrototypeHook')]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=80, val_interval=80)
