_base_ = [
    '../_base_/models/asmloc_full.py',
    '../_base_/datasets/synthetic.py',
    '../_base_/schedules/adam.py',
    '../_base_/default_runtime.py',
]

head = dict(num_classes=10, in_channels=256)
model = dict(embedding=dict(in_channels=64, out_channels=256), head=head, refined_head=head)
optim_wrapper = dict(optimizer=dict(lr=3e-4, weight_decay=5e-5))
custom_hooks = [dict(type='StageHook', epochs=[38, 76, 114])]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=190, val_interval=190)
find_unused_parameters = True  # each stage trains alone: the weights of the others get no gradients
