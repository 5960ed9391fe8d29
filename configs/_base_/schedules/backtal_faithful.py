# As in BackTAL's public code for THUMOS14: 40 epochs, in steps of 16 videos.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4, weight_decay=5e-4))
param_scheduler = []
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=40, val_interval=40)
