"""Export of pseudo segments of a trained model, and reading of the files by our and mmaction2's datasets."""

import json
from pathlib import Path

import numpy as np
import pytest
from mmaction.datasets import ActivityNetDataset
from mmaction.registry import DATASETS
from mmengine.config import Config
from mmengine.runner import Runner
from small_sets import small_config
from tool_modules import load_tool

from fsptal_mm.datasets.annotations.records import load_annotations

ROOT = Path(__file__).parents[2]


tool = load_tool('data/export_pseudo_segments')


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Folder of a small set and a model that was trained on it for a moment, and options that name them."""
    folder = tmp_path_factory.mktemp('export')
    options = {'train_cfg.max_epochs': 15, 'train_cfg.val_interval': 100, 'randomness.seed': 0}
    config = small_config(folder, 'base/base_synthetic', **options)
    Runner.from_cfg(config).train()
    config.dump(folder / 'config.py')
    return folder


def export(trained, name, *arguments):
    out = trained / name
    tool.main([str(trained / 'config.py'), str(trained / 'work/epoch_15.pth'), str(out), *arguments])
    return out


def test_our_reader_gets_one_segment_around_each_point_at_most(trained):
    source = load_annotations(trained / 'set/annotations.json', subset='train').videos
    pseudo = load_annotations(export(trained, 'plain.json'), subset='train').videos
    assert pseudo.keys() == source.keys()
    kept = 0
    for video_id, record in pseudo.items():
        assert record.point_sec.tolist() == source[video_id].point_sec.tolist()
        for (start, end), label in zip(record.segments_sec, record.segment_labels):
            of_class = record.point_sec[record.point_labels == label]
            assert ((start <= of_class) & (of_class <= end)).sum() == 1
            kept += 1
    missed = (trained / 'plain_missed.txt').read_text().splitlines()
    assert kept > 10
    assert kept + len(missed) == sum(len(record.point_sec) for record in source.values())


def test_ground_truth_does_not_reach_the_file(trained):
    honest = export(trained, 'honest.json').read_bytes()
    path = trained / 'set/annotations.json'
    original = path.read_text()
    content = json.loads(original)
    for video in content['videos'].values():
        video['segments'] = [{'start_sec': 0.0, 'end_sec': 1.0, 'label': content['classes'][0]}]
    path.write_text(json.dumps(content))
    try:
        assert export(trained, 'blind.json').read_bytes() == honest
    finally:
        path.write_text(original)


def test_activitynet_and_mmaction2_say_the_same(trained):
    plain = load_annotations(export(trained, 'plain.json', '--fill')).videos
    activitynet = export(trained, 'anet.json', '--fill', '--format', 'opentad', '--fps', '25')
    read = load_annotations(activitynet, classes=trained / 'anet_classes.txt').videos
    flat = export(trained, 'flat.json', '--fill', '--format', 'mmaction2', '--fps', '25')
    dataset = ActivityNetDataset(str(flat), pipeline=[dict(type='mmaction.GenerateLocalizationLabels')])
    theirs = {info['video_name']: info for info in map(dataset.__getitem__, range(len(dataset)))}
    for video_id, record in plain.items():
        assert np.array_equal(read[video_id].segments_sec, record.segments_sec)
        assert np.array_equal(read[video_id].segment_labels, record.segment_labels)
        shares = theirs[video_id]['gt_bbox'] * 0.64 * int(record.duration_sec / 0.64)
        covered = np.clip(record.segments_sec, 0, 0.64 * int(record.duration_sec / 0.64))
        assert np.allclose(shares, covered, atol=0.05)  # only approximately, since frames are whole numbers
    assert json.loads(activitynet.read_text())['database'][video_id]['frame'] == round(record.duration_sec * 25)
    config = Config.fromfile(trained / 'config.py').train_dataloader.dataset
    ours = DATASETS.build(config | dict(ann_file=str(trained / 'plain.json'), supervision='segments'))
    assert len(ours) == 12
    assert ours[0]['data_samples'].snippet_instances.max() >= 0


def test_rules_move_segments_but_not_off_their_points(trained):
    plain = load_annotations(export(trained, 'plain.json')).videos
    rules = ['--change-points', '0.5', '--cut', '--blend', '0.25', '--widen', '1.15', '--point-spread', '0.1']
    rules += ['--narrow-snippets', '0.5']
    moved = load_annotations(export(trained, 'moved.json', *rules)).videos
    for video_id, record in moved.items():
        assert len(record.segments_sec) == len(record.point_sec) >= len(plain[video_id].segments_sec)
        for (start, end), label in zip(record.segments_sec, record.segment_labels):
            of_class = record.point_sec[record.point_labels == label]
            assert ((start <= of_class) & (of_class <= end)).sum() == 1
    assert any(not np.array_equal(record.segments_sec, plain[name].segments_sec) for name, record in moved.items())


@pytest.mark.parametrize('split', ['train', 'test'])
def test_raw_proposals_are_all_there_is_before_nms(trained, split):
    raw = trained / f'raw_{split}.json'
    export(trained, 'plain.json', '--raw-proposals', str(raw), '--split', split)
    found = json.loads(raw.read_text())['results']
    config = Config.fromfile(trained / 'config.py')
    _, predicted = tool.predict(config, trained / 'work/epoch_15.pth', split)
    assert (len(found), found.keys()) == (dict(train=12, test=10)[split], predicted.keys())
    classes = json.loads((trained / 'set/annotations.json').read_text())['classes']
    for video_id, rows in found.items():
        detections = predicted[video_id]['detections']
        kept = {(*segment, label) for segment, label in zip(detections.segments, detections.labels)}
        assert len(rows) > len(kept) > 0
        assert kept <= {(*row['segment'], classes.index(row['label'])) for row in rows}
