# Adam at a constant rate (paper, Sec. 4); epochs are stated by each experiment. `fused`: one operation for all weights.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4, fused=True))
param_scheduler = []
auto_scale_lr = dict(enable=False, base_batch_size=16)
