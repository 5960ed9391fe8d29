# Manual points of SF-Net's four annotators, one drawn per video, in THUMOS14/point_manual/THUMOS{1,2,3,4}.txt.
_base_ = [
    '../_base_/models/sfnet_faithful.py',
    '../_base_/datasets/thumos14_i3d.py',
    '../_base_/schedules/sfnet_faithful.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=20, num_streams=2))
train_dataloader = dict(
    batch_size=32,
    dataset=dict(point_file=[f'point_manual/THUMOS{annotator}.txt' for annotator in (1, 2, 3, 4)]),
)
