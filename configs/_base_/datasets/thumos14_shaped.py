# Generated features (D = 256) for real THUMOS14 annotations: 60 training and 30 test videos of at most 400 s; each part
# has all 20 classes. configs/fsptal_tuned/README.md has the two commands that write thumos14_shaped/, one for each
# part.
_base_ = ['./point_tal.py', '../classes/thumos14.py']

data_root = '{{$FSPTAL_DATA_ROOT:data}}/thumos14_shaped'
grid = dict(snippet_sec=0.64)  # 16 frames at 25 per second, as on THUMOS14

train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        metainfo={{_base_.metainfo}},
        ann_file='annotations_train.json',
        data_prefix=dict(feature='features/train'),
        grid=grid,
    )
)
test_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        metainfo={{_base_.metainfo}},
        ann_file='annotations_test.json',
        data_prefix=dict(feature='features/test'),
        grid=grid,
    )
)
val_dataloader = test_dataloader
