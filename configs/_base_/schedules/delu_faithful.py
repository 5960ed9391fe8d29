# As many passes over the videos as in DELU's public code on the 200 videos of THUMOS14: 5,000 steps of 10 videos are
# 250 epochs.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=5e-5, weight_decay=1e-3))
param_scheduler = []
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=250, val_interval=250)
