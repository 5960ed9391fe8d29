# A quarter of the training videos is held out: rank_checkpoints.py chooses a checkpoint by the points of these videos.
_base_ = ['./fsptal-tuned_synthetic.py']

train_dataloader = dict(dataset=dict(fold=dict(index=0, count=4, part='train')))
val_dataloader = dict(
    dataset=dict(
        subset='train', data_prefix=dict(feature='features/train'), fold=dict(index=0, count=4, part='held_out')
    )
)
val_evaluator = dict(_delete_=True, type='PointMetric')
train_cfg = dict(val_interval=5)
default_hooks = dict(checkpoint=dict(interval=5, max_keep_ckpts=-1))
