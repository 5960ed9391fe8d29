# Points alone, as configs/bmn/bmn_synthetic_pseudo.py: a snippet classifier on the segments that FS-PTAL tuned found.
_base_ = ['./supervised_synthetic.py']

train_dataloader = dict(dataset=dict(ann_file='pseudo_segments.json'))
