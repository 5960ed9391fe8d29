# SF-Net's public code: 2,000 of 8,000 steps of 32 of 200 videos on the given points, the others on grown labels and
# with new weights.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4, weight_decay=5e-4))
param_scheduler = []
custom_hooks = [dict(type='RefreshHook', epochs=[320])]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1280, val_interval=320)
