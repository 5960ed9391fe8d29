# DELU's public code for THUMOS14: 5,000 steps of 10 of 200 videos.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=5e-5, weight_decay=1e-3))
param_scheduler = []
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=250, val_interval=250)
