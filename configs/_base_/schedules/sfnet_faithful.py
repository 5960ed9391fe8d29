# As many passes over the videos as in SF-Net's public code on the 200 videos of THUMOS14: 8,000 steps of 32 videos are
# 1,280 epochs. After 2,000 steps (320 epochs) labels grow, and a new model is trained with them.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4, weight_decay=5e-4))
param_scheduler = []
custom_hooks = [dict(type='RefreshHook', epochs=[320])]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1280, val_interval=320)
