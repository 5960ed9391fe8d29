# The embedded dataset, which resembles THUMOS14. It has a few MB, and is generated below data_root at first use
# (fsptal_mm/datasets/synthetic/generator.py). In annotations.json, points lie near the middle of their instances; in
# annotations_manual.json, anywhere in them.
_base_ = ['./point_tal.py', '../classes/synthetic.py']

data_root = '{{$FSPTAL_DATA_ROOT:data}}/synthetic'
grid = dict(snippet_sec=0.64)  # 16 frames at 25 per second, as on THUMOS14

# Features are kept in memory, and read without worker processes, which would cost more time than they save.
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        keep_features='memory',
        data_root=data_root,
        metainfo={{_base_.metainfo}},
        type='SyntheticPointTALDataset',
        ann_file='annotations.json',
        subset='train',
        data_prefix=dict(feature='features/train'),
        grid=grid,
    ),
)
test_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        data_root=data_root,
        metainfo={{_base_.metainfo}},
        type='SyntheticPointTALDataset',
        ann_file='annotations.json',
        subset='test',
        data_prefix=dict(feature='features/test'),
        grid=grid,
    ),
)
val_dataloader = test_dataloader
