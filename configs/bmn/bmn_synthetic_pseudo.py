# Points alone: the segments are what FS-PTAL tuned found on the training videos. They come from
#   tools/data/export_pseudo_segments.py configs/fsptal_tuned/fsptal-tuned_synthetic.py CHECKPOINT \
#       DATA_ROOT/pseudo_segments.json
_base_ = ['./bmn_synthetic.py']

train_dataloader = dict(dataset=dict(ann_file='pseudo_segments.json'))
