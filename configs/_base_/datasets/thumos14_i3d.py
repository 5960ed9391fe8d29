# THUMOS14 with two-stream I3D features in the layout that LACP publishes
# (github.com/Pilhyeon/Learning-Action-Completeness-from-Points; videos 270, 1292 and 1496 are left out by convention):
# THUMOS14/{gt.json, fps_dict.json, split_train.txt, split_test.txt, point_gaussian/point_labels.csv,
#           features/{train,test}/{rgb,flow}/ID.npy}, two arrays (T, 1024) per video.
_base_ = ['./point_tal.py', '../classes/thumos14.py']

data_root = '{{$FSPTAL_DATA_ROOT:data}}/THUMOS14'
grid = dict(fps=25, snippet_frames=16)

train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        metainfo={{_base_.metainfo}},
        ann_file='gt.json',
        split_file='split_train.txt',
        point_file='point_gaussian/point_labels.csv',
        fps_file='fps_dict.json',
        data_prefix=dict(rgb='features/train/rgb', flow='features/train/flow'),
        grid=grid,
    )
)
test_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        metainfo={{_base_.metainfo}},
        ann_file='gt.json',
        split_file='split_test.txt',
        data_prefix=dict(rgb='features/test/rgb', flow='features/test/flow'),
        grid=grid,
    )
)
val_dataloader = test_dataloader
