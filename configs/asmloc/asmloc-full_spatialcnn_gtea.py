_base_ = [
    '../_base_/models/asmloc_full.py',
    '../_base_/datasets/gtea_spatialcnn.py',
    '../_base_/schedules/adam.py',
    '../_base_/default_runtime.py',
]

head = dict(num_classes=7, in_channels=512)
model = dict(embedding=dict(in_channels=128, out_channels=512, kernel_size=7), head=head, refined_head=head)
optim_wrapper = dict(optimizer=dict(lr=3e-4, weight_decay=5e-5))
custom_hooks = [dict(type='StageHook', epochs=[33, 66, 99])]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=165, val_interval=165)
find_unused_parameters = True  # each stage trains alone: the weights of the others get no gradients
