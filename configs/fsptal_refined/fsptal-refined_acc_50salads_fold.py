# Settings were chosen with this config: a quarter of the training users is held out, and their videos are tested.
_base_ = ['./fsptal-refined_acc_50salads.py']

users = r'^(\d+)-'
train_dataloader = dict(dataset=dict(fold=dict(index=0, count=4, part='train', group=users)))
test_dataloader = dict(
    dataset=dict(
        split_file='split_train.txt',
        data_prefix=dict(feature='features/train'),
        fold=dict(index=0, count=4, part='held_out', group=users),
    )
)
val_dataloader = test_dataloader
