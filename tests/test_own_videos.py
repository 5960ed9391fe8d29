"""All steps of the README: own videos, features, points, training, and localization in new videos."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_recognizers import write_recognizer
from tool_modules import run_script
from video_writing import write_frames

from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.evaluation import read_results
from fsptal_mm.utils.writing import write_json

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
SIZE = 64
VIDEO_SEC = 24.0
ACTIONS = ('slide', 'drop')
CONFIG = f"""
_base_ = [
    '{ROOT}/configs/_base_/models/fsptal_tuned.py',
    '{ROOT}/configs/_base_/datasets/point_tal.py',
    '{ROOT}/configs/_base_/schedules/adam.py',
    '{ROOT}/configs/_base_/default_runtime.py',
]
model = dict(
    embedding=dict(in_channels=512, out_channels=64),
    head=dict(num_classes=2, in_channels=64, separation=dict(embed_channels=16)),
)
mine = dict(data_prefix=dict(rgb='features'), data_root='{{root}}')
train_dataloader = dict(
    batch_size=4, num_workers=0, persistent_workers=False,
    dataset=dict(ann_file='points.json', subset='train', **mine),
)
test_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(ann_file='segments.json', subset='test', **mine)
)
val_dataloader = test_dataloader
optim_wrapper = dict(optimizer=dict(lr=3e-3))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100, val_interval=100)
"""


def frame_at(time_sec, segments, texture):
    """Quiet ground; during an action a bright bar walks to the right (slide) or, finely striped, down (drop)."""
    frame = texture.copy()
    for segment in segments:
        if segment['start_sec'] <= time_sec < segment['end_sec']:
            place = int(24 * (time_sec - segment['start_sec'])) % (SIZE - 24)
            if segment['label'] == 'slide':
                frame[:, place : place + 24] = (0, 255, 255)
            else:
                frame[place : place + 24, ::4] = (255, 0, 0)
    return frame


def write_video(path, segments, fps, rng):
    texture = cv2.GaussianBlur(rng.integers(60, 140, (SIZE, SIZE, 3), np.uint8), (9, 9), 0)
    write_frames(path, [frame_at(index / fps, segments, texture) for index in range(int(VIDEO_SEC * fps))], fps=fps)


def draw_segments(rng):
    """Three actions of 2 to 4 s at random places."""
    lengths_sec = rng.uniform(2.0, 4.0, 3)
    gaps_sec = 1.0 + rng.dirichlet([1.0] * 4) * (VIDEO_SEC - lengths_sec.sum() - 4.0)
    starts_sec = np.cumsum(gaps_sec[:3]) + np.cumsum(lengths_sec) - lengths_sec
    labels = rng.permutation([*ACTIONS, rng.choice(ACTIONS)]).tolist()
    return [
        dict(start_sec=round(start, 2), end_sec=round(end, 2), label=label)
        for start, end, label in zip(starts_sec.tolist(), (starts_sec + lengths_sec).tolist(), labels)
    ]


@pytest.fixture(scope='module')
def mine(tmp_path_factory):
    """Sixteen videos of several frame rates, of which four are to be localized only."""
    folder, rng = tmp_path_factory.mktemp('mine'), np.random.default_rng(0)
    videos = {}
    for index in range(16):
        subset = 'test' if index >= 12 else 'train'
        segments, path = draw_segments(rng), folder / f'videos/{subset}/v{index:02d}.mp4'
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, segments, (24, 25, 30)[index % 3], rng)
        videos[path.stem] = dict(subset=subset, duration_sec=VIDEO_SEC, segments=segments)
    write_json(folder / 'segments.json', dict(format='fsptal_mm', version=1, classes=list(ACTIONS), videos=videos))
    (folder / 'config.py').write_text(CONFIG.replace('{root}', str(folder)))
    return folder


def run(tool, *args):
    run_script(ROOT / 'tools' / tool, *args)


def mean_ap(results, annotations, folder):
    """mAP@0.1:0.7 of the test videos, a fraction, by the tool of the README."""
    out = folder / 'figures.json'
    run('analysis_tools/eval_tal.py', results, annotations, '--subset', 'test', '--json', out)
    (figures,) = json.loads(out.read_text()).values()
    return figures['metrics']['mAP@0.1-0.7']


def test_from_videos_to_actions_of_videos_never_seen(mine, capsys):
    recognizer = write_recognizer(mine, 'tsn')
    extract = ('--fps', 10, '--stride-frames', 4, '--workers', 0)
    # Features of the training videos only: the other videos are first used when actions are localized in them.
    run('data/extract_features.py', *recognizer, mine / 'features', mine / 'videos/train', *extract)
    run('data/make_points.py', mine / 'segments.json', mine / 'points.json', '--subset', 'train')
    points = load_annotations(mine / 'points.json', subset='train')
    assert all(len(video.point_sec) == 3 for video in points.videos.values())
    run('data/check_dataset.py', mine / 'config.py', '--loaders', 'train_dataloader')
    report = capsys.readouterr().out
    assert 'feature dimension: 512' in report
    assert '[60.0, 60.0, 60.0]' in report  # snippets per video: 24 s of 0.4 s each
    # No validation, since the features of the test videos do not exist.
    options = ('--cfg-options', 'val_cfg=None', 'val_dataloader=None', 'val_evaluator=None')
    run('train.py', mine / 'config.py', '--work-dir', mine / 'work', '--seed', 0, *options)
    checkpoint = mine / 'work/epoch_100.pth'
    found = mine / 'found'
    run('demo.py', mine / 'config.py', checkpoint, mine / 'videos/test', '--extractor', *recognizer,
        '--out-dir', found, '--timeline')  # fmt: skip
    assert len(list((found / 'timelines').glob('*.png'))) == 4
    figure = mean_ap(found / 'results.json', mine / 'segments.json', mine)

    # The mAP by chance is that of the detections of another video, of the same number, lengths and scores.
    content = json.loads((found / 'results.json').read_text())
    names = sorted(content['results'])
    shifted = dict(zip(names[1:] + names[:1], (content['results'][name] for name in names)))
    write_json(mine / 'chance.json', content | dict(results=shifted))
    assert set(read_results(mine / 'chance.json')) == set(names)
    chance = mean_ap(mine / 'chance.json', mine / 'segments.json', mine)
    assert figure > 0.4, (figure, chance)
    assert figure > chance + 0.25, (figure, chance)
