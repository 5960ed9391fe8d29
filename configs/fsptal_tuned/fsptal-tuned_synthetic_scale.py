# Mixed precision (bfloat16 on the CPU), steps with the gradients of two batches of 8 videos, and a moving average of
# the weights.
_base_ = ['./fsptal-tuned_synthetic.py']

train_dataloader = dict(batch_size=8)
optim_wrapper = dict(type='AmpOptimWrapper', accumulative_counts=2)
default_hooks = dict(ema=dict(type='EMAHook', momentum=0.02))  # the mean of the weights after about the last 50 batches
