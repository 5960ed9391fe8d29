"""A round of labelling with the model's help, by the commands of the guide, on videos of the generated dataset."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from tool_modules import run_script
from video_writing import write_frames

from fsptal_mm.annotator import AnnotationServer
from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.datasets.synthetic.generator import CLASSES, ensure_synthetic
from fsptal_mm.evaluation import read_results

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
FPS = 5
CONFIG = f"""
_base_ = [
    '{ROOT}/configs/_base_/models/fsptal_tuned.py',
    '{ROOT}/configs/_base_/datasets/point_tal.py',
    '{ROOT}/configs/_base_/schedules/adam.py',
    '{ROOT}/configs/_base_/default_runtime.py',
]
model = dict(embedding=dict(in_channels=64, out_channels=64), head=dict(num_classes=10, in_channels=64))
mine = dict(
    ann_file='annotations.json', data_prefix=dict(rgb='features'), data_root='{{root}}/data/mine',
    grid=dict(snippet_sec=0.64),
)
workers = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(batch_size=4, dataset=dict(fold=dict(index=0, count=4, part='train'), **mine), **workers)
test_dataloader = dict(dataset=dict(fold=dict(index=0, count=4, part='held_out'), **mine), **workers)
val_dataloader = test_dataloader
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=20, val_interval=20)
"""


@pytest.fixture
def truth(tmp_path, monkeypatch):
    """Eight videos in the folders of the guide, of which the annotator knows the segments."""
    root = ensure_synthetic(tmp_path / 'embedded', train_videos=8, test_videos=2)
    mine = tmp_path / 'data/mine'
    (mine / 'videos/train').mkdir(parents=True)
    (root / 'features/train').rename(mine / 'features')
    (mine / 'classes.txt').write_text('\n'.join(CLASSES))
    (tmp_path / 'configs/mine').mkdir(parents=True)
    (tmp_path / 'configs/mine/fsptal_mine.py').write_text(CONFIG.replace('{root}', str(tmp_path)))
    videos = load_annotations(root / 'annotations.json', subset='train').videos
    for name, record in videos.items():
        frames = np.zeros((round(record.duration_sec * FPS), 16, 16, 3), np.uint8)
        write_frames(mine / f'videos/train/{name}.mp4', frames, fps=FPS)
    monkeypatch.chdir(tmp_path)
    return videos


class Annotator:
    """Simulated person, who labels the first videos of the page that are not done, and exports."""

    def __init__(self, truth, count):
        self.truth, self.count = truth, count
        self.labelled, self.accepted, self.rejected = [], 0, 0

    def serve(self, server):
        api = server.api
        for video in [video['id'] for video in api.overview()['videos'] if not video['done']][: self.count]:
            self.label(video, api)
            self.labelled.append(video)
        api.export({'project': api.project.project_id})
        raise KeyboardInterrupt

    def label(self, video, api):
        record, number = self.truth[video], 0

        def edit(**fields):
            nonlocal number
            number += 1
            body = dict(edit_id=f'{video}-{number:04d}', **fields)
            api.edit(dict(project=api.project.project_id, video=video, edit=body))

        found = set()
        for one in api.video(video)['suggestions']:
            middle = (one['start_sec'] + one['end_sec']) / 2
            here = np.flatnonzero((record.segments_sec[:, 0] <= middle) & (middle < record.segments_sec[:, 1]))
            same = [index for index in here if CLASSES[record.segment_labels[index]] == one['label']]
            if len(same) and same[0] not in found:
                found.add(same[0])
                self.accepted += 1
                edit(action='add', time_sec=middle, label=one['label'])
            elif not len(here) and middle < record.duration_sec and not self.has_point(api, video, middle):
                self.rejected += 1
                edit(action='add', time_sec=middle, label=None)
        for index, (start, end) in enumerate(record.segments_sec):
            if index not in found:
                edit(action='add', time_sec=(start + end) / 2, label=CLASSES[record.segment_labels[index]])
        edit(action='done', done=True)

    @staticmethod
    def has_point(api, video, time_sec):
        return any(abs(point['time_sec'] - time_sec) < 1 / FPS for point in api.video(video)['points'])


def commands_of_the_guide():
    """Commands of the round, as lists of words."""
    page = (ROOT / 'docs/guides/own_data.md').read_text()
    block = re.search(r'## The model helps to label\n.*?```bash\n(.*?)```', page, re.DOTALL)[1]
    return [
        shlex.split(line)[1:]
        for line in re.sub(r'\\\n\s*', '', block).replace('$(cat ', '"<').replace(')', '"').splitlines()
    ]


def run(script, *arguments):
    words = [Path(word[1:]).read_text().strip() if word.startswith('<') else word for word in arguments]
    run_script(ROOT / script, *words)


def test_a_round_runs_from_the_commands_of_the_guide(truth, monkeypatch):
    train, demo, suggest, annotate = commands_of_the_guide()
    first, second = Annotator(truth, 3), Annotator(truth, 3)
    quiet = ['--no-browser', '--port', '0']

    monkeypatch.setattr(AnnotationServer, 'serve_forever', lambda server: first.serve(server))
    run(*annotate[: annotate.index('--suggest')], *quiet)
    assert first.labelled == ['train_000', 'train_001', 'train_002']
    points = sum(len(truth[name].segments_sec) for name in first.labelled)
    assert (
        sum(len(video.point_sec) for video in load_annotations('data/mine/annotations.json').videos.values()) == points
    )

    run(*train)
    run(*demo)
    run(*suggest)
    ranked = list(read_results('work_dirs/round_1/found/suggestions.json'))
    assert sorted(ranked) == sorted(set(truth) - set(first.labelled))

    monkeypatch.setattr(AnnotationServer, 'serve_forever', lambda server: second.serve(server))
    run(*annotate, *quiet)
    assert second.labelled == ranked[:3]
    assert second.accepted + second.rejected > 0
    videos = load_annotations('data/mine/annotations.json').videos
    assert sorted(videos) == sorted(first.labelled + second.labelled)
    assert sum(len(videos[name].background_sec) for name in second.labelled) == second.rejected
    for name in second.labelled:
        assert len(videos[name].point_sec) == len(truth[name].segments_sec)

    run(*train, 'train_cfg.max_epochs=2', '--work-dir', 'work_dirs/round_2')
    assert Path('work_dirs/round_2/epoch_2.pth').is_file()
    content = json.loads(Path('data/mine/videos/train/point_project.json').read_text())
    assert sum(video['done'] for video in content['videos'].values()) == 6
