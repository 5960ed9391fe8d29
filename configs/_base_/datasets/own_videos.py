# Your own videos, which training and test read as clips. data_root must hold annotations.json (the plain format, with
# the subsets train and test) and videos/ID.mp4. The model has the classes of annotations.json, in this order. The
# test_pipeline of load_clips must be that of the recognizer whose backbone is used.
_base_ = ['./point_tal.py', '../pipelines/label_extension.py']

data_root = '{{$FSPTAL_DATA_ROOT:data}}/mine'
fps = 25  # frames per second at which every video is sampled, whatever its own frame rate
grid = dict(snippet_sec=16 / fps)

load_clips = dict(
    type='LoadSnippetClips',
    fps=fps,
    clip_len=4,  # of the 16 frames of a snippet, a 2D backbone looks at 4
    test_pipeline=[
        dict(type='Resize', scale=(-1, 256)),
        dict(type='CenterCrop', crop_size=224),
        dict(type='FormatShape', input_format='NCHW'),
    ],
)
train_pipeline = [
    load_clips,
    dict(type='PointsToSnippets'),
    {{_base_.extend_embedding}},  # interpolates embedded features, since clips cannot be interpolated
    dict(type='PackPointTALInputs'),
]
test_pipeline = [load_clips, dict(type='PointsToSnippets'), dict(type='PackPointTALInputs')]

videos = dict(
    data_root=data_root,
    ann_file='annotations.json',
    data_prefix=dict(feature='videos'),
    suffix='.mp4',
    grid=grid,
)
train_dataloader = dict(batch_size=1, dataset=dict(**videos, subset='train', pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(**videos, subset='test', pipeline=test_pipeline))
val_dataloader = test_dataloader
