# Adam at a constant rate (paper, Sec. 4); epochs are stated by each experiment.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4))
param_scheduler = []
auto_scale_lr = dict(enable=False, base_batch_size=16)
