# As in ASM-Loc's public code for THUMOS14: 100 epochs for the base model, in steps of 16 videos.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4, weight_decay=5e-5))
param_scheduler = []
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100, val_interval=100)
