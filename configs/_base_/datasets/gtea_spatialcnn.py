# GTEA with the videos of subject S1 for testing. Features are those of SpatialCNN in the TCN release of Lea et al.
# (github.com/colincsl/TemporalConvolutionalNetworks), which was trained with the frame labels of the training videos.
# Annotations are those of HR-Pro. A snippet lasts 1/3 s and has 128 numbers.
# gtea_spatialcnn/ must hold gt.json, point_labels.csv, split_train.txt, split_test.txt and
# features/{train,test}/ID.npy.
_base_ = ['./point_tal.py', '../classes/gtea.py']

data_root = '{{$FSPTAL_DATA_ROOT:data}}/gtea_spatialcnn'
grid = dict(snippet_sec=1 / 3)

train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        data_root=data_root,
        metainfo={{_base_.metainfo}},
        ann_file='gt.json',
        split_file='split_train.txt',
        point_file='point_labels.csv',
        data_prefix=dict(feature='features/train'),
        grid=grid,
    ),
)
test_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        metainfo={{_base_.metainfo}},
        ann_file='gt.json',
        split_file='split_test.txt',
        data_prefix=dict(feature='features/test'),
        grid=grid,
    )
)
val_dataloader = test_dataloader
