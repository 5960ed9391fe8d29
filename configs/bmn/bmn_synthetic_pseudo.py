# BMN trained on points alone: its segments are those that FS-PTAL tuned found in the training videos. This command
# writes them:
#   tools/data/export_pseudo_segments.py configs/fsptal_tuned/fsptal-tuned_synthetic.py CHECKPOINT \
#       DATA_ROOT/pseudo_segments.json
_base_ = ['./bmn_synthetic.py']

train_dataloader = dict(dataset=dict(ann_file='pseudo_segments.json'))
