# A snippet classifier that is trained on points alone: every snippet is labelled from the segments that FS-PTAL tuned
# found in the training videos. configs/bmn/bmn_synthetic_pseudo.py has the command that writes them.
_base_ = ['./supervised_synthetic.py']

train_dataloader = dict(dataset=dict(ann_file='pseudo_segments.json'))
