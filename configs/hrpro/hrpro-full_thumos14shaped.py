# Both stages of HR-Pro, with its own second stage; hrpro-refined_thumos14shaped.py has ours instead.
_base_ = ['./hrpro_thumos14shaped.py']

model = dict(refinement=dict(type='HRProInstanceHead', in_channels=256))
# As in HR-Pro, the pseudo segment of a point is the best proposal around it, unchanged.
unchanged = dict(change_points=0.0, cut=False, blend=0.0, widen=1.0, narrow_snippets=0.0, point_spread=None, fill=False)
custom_hooks = [
    dict(type='PrototypeHook'),
    dict(type='RefinementHook', begin=75, pseudo_segments=unchanged),
]
train_cfg = dict(max_epochs=125, val_interval=75)
find_unused_parameters = True  # each stage trains alone: the weights of the other get no gradients
