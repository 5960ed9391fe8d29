# 50 Salads (Stein & McKenna, UbiComp 2013, CC BY-NC-SA 4.0) with features of the accelerometers of ten tools, in split
# 1 of the TCN release of Lea et al.: github.com/colincsl/TemporalConvolutionalNetworks. A snippet lasts 0.6 s
# and has 150 numbers.
# 50salads_acc/ must hold gt.json, point_labels.csv, split_train.txt, split_test.txt and features/{train,test}/ID.npy.
_base_ = ['./point_tal.py', '../classes/50salads.py']

data_root = '{{$FSPTAL_DATA_ROOT:data}}/50salads_acc'
grid = dict(snippet_sec=0.6)

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
