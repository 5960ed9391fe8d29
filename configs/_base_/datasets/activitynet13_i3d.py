# ActivityNet-1.3 with two-stream I3D features in the layout that HR-Pro publishes (github.com/pipixin321/HR-Pro):
# ActivityNet1.3/{gt_full.json, split_train.txt, split_test.txt, point_labels/point_gaussian.csv,
#                 features/{train,test}/ID.npy}, one array (T, 2048) per video.
# Points are frame numbers of the original videos, so the frame rates of these videos must be known: either gt_full.json
# states them, or the datasets below get a further file, fps_file='fps_dict.json'.
_base_ = ['./point_tal.py', '../classes/activitynet13.py']

data_root = '{{$FSPTAL_DATA_ROOT:data}}/ActivityNet1.3'
grid = dict(fps=25, snippet_frames=16)

train_dataloader = dict(
    batch_size=64,
    dataset=dict(
        data_root=data_root,
        metainfo={{_base_.metainfo}},
        ann_file='gt_full.json',
        split_file='split_train.txt',
        point_file='point_labels/point_gaussian.csv',
        data_prefix=dict(feature='features/train'),
        grid=grid,
    ),
)
test_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        metainfo={{_base_.metainfo}},
        ann_file='gt_full.json',
        split_file='split_test.txt',
        data_prefix=dict(feature='features/test'),
        grid=grid,
    )
)
val_dataloader = test_dataloader
test_evaluator = dict(preset='activitynet')
val_evaluator = test_evaluator
