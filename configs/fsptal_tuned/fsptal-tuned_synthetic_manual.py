# Training on points that lie anywhere in an instance, as people set them.
_base_ = ['./fsptal-tuned_synthetic.py']

train_dataloader = dict(dataset=dict(ann_file='annotations_manual.json'))
