# Both stages of HR-Pro, with its own second stage; hrpro-refined_spatialcnn_gtea.py has ours instead.
_base_ = ['./hrpro_spatialcnn_gtea.py']

model = dict(refinement=dict(type='HRProInstanceHead', in_channels=128))
# As in HR-Pro, the pseudo segment of a point is the best proposal around it, unchanged.
unchanged = dict(change_points=0.0, cut=False, blend=0.0, widen=1.0, narrow_snippets=0.0, point_spread=None, fill=False)
custom_hooks = [
    dict(type='PrototypeHook'),
    dict(type='RefinementHook', begin=66, pseudo_segments=unchanged),
]
train_cfg = dict(max_epochs=106, val_interval=66)
find_unused_parameters = True  # each stage trains alone: the weights of the other get no gradients
