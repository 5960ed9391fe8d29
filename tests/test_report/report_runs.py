"""Work directories like those of a training and a test, with figures that can be computed by hand."""

import json

from plain_files import plain_video, write_plain

EVIL = '</script><img src=x onerror="document.title=\'owned\'">'
BAD = '<b>bad</b>&amp;'  # id of a video, which must be escaped
NUM_WEAK = 240  # detections, more than a timeline draws

_CONFIG = """
default_scope = 'mmaction'
note = {note!r}
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=4, val_interval=2)
test_dataloader = dict(
    batch_size=1,
    dataset=dict(
        type='PointTALDataset',
        data_root={data_root!r},
        ann_file='annotations.json',
        subset='test',
        grid=dict(snippet_sec=1.0),
        pipeline=[],
        test_mode=True,
    ),
)
test_evaluator = dict(type='TALMetric', preset='thumos14')
"""


def write_data(folder):
    """Two test videos with ground-truth segments, one without, and a training video."""

    videos = {
        'good': plain_video([(0, 10, 'jump'), (20, 30, EVIL)], [(4.5, 'jump')], subset='test'),
        BAD: plain_video([(5, 15, 'jump')], subset='test'),
        'nothing': plain_video(subset='test'),
        'training': plain_video([(1, 2, 'jump')], subset='train'),
    }
    for video in videos.values():
        video['duration_sec'] = 60
    write_plain(folder / 'annotations.json', ['jump', EVIL, 'never'], videos)


def write_run(folder, data_root, note='plain', start='20260101_000000'):
    """Config, log and test results of a run of three of four epochs.

    In the video ``BAD``, a false positive scores best, so that its AP is 1/2; ``good`` is perfect.
    """
    vis_data = folder / start / 'vis_data'
    vis_data.mkdir(parents=True)
    config = _CONFIG.format(note=note, data_root=str(data_root))
    (folder / 'mine.py').write_text(config)
    (vis_data / 'config.py').write_text(config)
    lines = [
        {'mining/mined_action': 12, 'analysis/action_precision': 0.5, 'step': 0},
        {'lr': 0.1, 'loss': 4.0, 'loss_video': 1.5, 'epoch': 1, 'iter': 1, 'step': 1},
        {'lr': 0.1, 'loss': 2.0, 'loss_video': 0.5, 'epoch': 1, 'iter': 2, 'step': 2},
        {'lr': 0.1, 'loss': 1.0, 'loss_video': 0.25, 'epoch': 2, 'iter': 4, 'step': 4},
        {'tal/mAP@0.1-0.7': 0.25, 'tal/mAP@0.5': 0.2, 'tal/mAP@0.6': 0.1, 'time': 0.1, 'step': 2},
        {'lr': 0.1, 'loss': float('nan'), 'epoch': 3, 'iter': 6, 'step': 6},
    ]
    (vis_data / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)) + '\n')
    (folder / 'epoch_3.pth').write_bytes(b'')
    (folder / 'last_checkpoint').write_text(str(folder / 'epoch_3.pth'))
    write_results(folder)


def write_results(folder):
    """Write test results: at every tIoU, AP is 2/3 for class ``jump`` and 1 for the other class, so mAP is 5/6."""

    def detection(label, start, end, score):
        return {'label': label, 'score': score, 'segment': [start, end]}

    results = {
        'good': [detection('jump', 0, 10, 0.8), detection(EVIL, 20, 30, 0.7)],
        BAD: [detection('jump', 5, 15, 0.6), detection('jump', 40.25, 50.5, 0.9)]
        + [detection('jump', 30, 31, 0.001 * (index + 1) / NUM_WEAK) for index in range(NUM_WEAK)],
        'nothing': [],
    }
    noted = {'metrics': {'mAP@0.1-0.7': 5 / 6, 'video_mAP': 0.75}}
    (folder / 'results.json').write_text(json.dumps({'results': results, 'evaluation': noted}))


def remove_segments(folder, points=None):
    """Remove the segments from the annotations, and set the points of the videos in ``points``."""
    data = json.loads((folder / 'annotations.json').read_text())
    for name, video in data['videos'].items():
        video.pop('segments', None)
        if name in (points or {}):
            video['points'] = points[name]
    (folder / 'annotations.json').write_text(json.dumps(data))
