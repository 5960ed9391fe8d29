# Adam at a constant learning rate (paper, Sec. 4). Each experiment states its number of epochs. With `fused`, a step of
# Adam is one operation for all weights.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4, fused=True))
param_scheduler = []
auto_scale_lr = dict(enable=False, base_batch_size=16)
