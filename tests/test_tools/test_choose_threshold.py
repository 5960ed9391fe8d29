"""Operating point of a checkpoint: how it is chosen and stored, and which tools use it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from refusals import refused
from small_sets import save_untrained, small_config
from tool_modules import load_tool

from fsptal_mm.apis import TALInferencer
from fsptal_mm.apis.operating_points import build_held_out
from fsptal_mm.apis.timelines import timelines_of_model
from fsptal_mm.engine.trained_videos import video_ids
from fsptal_mm.evaluation import operating_point
from fsptal_mm.evaluation.operating_point import (
    OperatingPoint,
    Threshold,
    best_score,
    choose_operating_point,
    lower_thresholds,
    model_digest,
    operating_point_file,
    read_operating_point,
    write_operating_point,
)
from fsptal_mm.structures import Instances


@pytest.fixture
def messages(monkeypatch):
    """Warnings about operating points."""
    logged = []
    monkeypatch.setattr(operating_point, 'warn', logged.append)
    return logged


@pytest.mark.parametrize(
    'scores, hits, num_truth, expected, reason',
    [
        # F1 with the best 1, 2, 3 and 4 detections: 2/3, 2/4, 4/5, 4/6.
        ([0.9, 0.8, 0.6, 0.4], [1, 0, 1, 0], 2, 0.5, 'in the middle of 0.6 and 0.4'),
        # F1 with 2 and 3 detections is 2/4 and 4/5; no threshold lies between equal scores.
        ([0.8, 0.8, 0.5], [1, 0, 1], 2, 0.5, 'the lowest score where nothing lies below'),
        # F1 with 1, 2, 3 and 4 detections: 2/3, 2/4, 2/5, 4/6.
        ([0.9, 0.5, 0.3, 0.1], [1, 0, 0, 1], 2, 0.7, 'of equal F1 the highest threshold'),
        ([0.9], [0], 2, None, 'nothing found'),
        ([], [], 2, None, 'no detection'),
    ],
)
def test_score_of_best_f1(scores, hits, num_truth, expected, reason):
    assert best_score(np.array(scores), np.array(hits, dtype=bool), num_truth) == pytest.approx(expected), reason


def test_thresholds_of_classes(messages):
    points = Instances.from_videos([[[5, 5], [25, 25], [50, 50]]], [[0, 0, 1]])
    # In the order of the scores, the detections are true, repeated, true, beside the point, true. F1 is 2/4, 2/5, 4/6,
    # 4/7, 6/8.
    det = Instances.from_videos(
        [[[0, 10], [1, 9], [20, 30], [60, 70], [45, 55]]], [[0, 0, 0, 1, 1]], [[0.9, 0.7, 0.6, 0.5, 0.375]]
    )
    # There is only one video, so every resample is this video.
    chosen = choose_operating_point(points, det, ('run', 'jump', 'sit'))
    assert chosen.overall == Threshold(0.375, 3 / 5, 1, 3)
    # F1 of run alone is 2/3, 2/4, 4/5, so its best threshold is 0.6. Its two points count against a hundred of the
    # shared threshold 0.375: (2 * 0.6 + 100 * 0.375) / 102.
    assert chosen.by_class == {
        'run': Threshold(pytest.approx(38.7 / 102), 2 / 3, 1, 2),
        'jump': Threshold(0.375, 1 / 2, 1, 1),
        'sit': Threshold(0.375, 0, 0, 0),
    }
    assert chosen.num_videos == 1
    assert any('3 held-out points' in message for message in messages)
    # There is no warning about sit, which has no points.
    assert not any('jump' in message or 'sit' in message for message in messages)
    choose_operating_point(points, det[:4], ('run', 'jump', 'sit'))
    assert ['jump' in message for message in messages].count(True) == 1
    later = Instances.from_videos([[[0, 1], [2, 3], [4, 5]]], [[0, 0, 1]], [[0.379, 0.4, 0.38]])
    assert chosen.select(later).segments.tolist() == [[2, 3], [4, 5]]
    with refused('none of 1 detection for 3', 'step 5'):
        choose_operating_point(points, det[3:4], ('run', 'jump', 'sit'))


def test_a_class_whose_detections_have_scores_below_its_threshold(messages):
    points = Instances.from_videos([[[5, 5], [25, 25], [50, 50], [80, 80]]], [[0, 0, 1, 2]])
    # The only detection of jump lies on its point, that of sit beside its point.
    det = Instances.from_videos([[[0, 10], [20, 30], [45, 55], [60, 70]]], [[0, 0, 1, 2]], [[0.9, 0.8, 0.01, 0.5]])
    det = det[np.array([0, 1, 2, 3] + [3] * 9)]  # false positives of sit, so that the threshold of all classes is high
    chosen = choose_operating_point(points, det, ('run', 'jump', 'sit'), checkpoint='work/epoch_9.pth')
    assert chosen.by_class['jump'].score > 0.01
    assert all(message.startswith('work/epoch_9.pth: ') for message in messages)
    [of_jump] = [message for message in messages if 'jump' in message]
    assert f'at its threshold, {chosen.by_class["jump"].score:.3g}; ' in of_jump
    assert 'score 0.01. ' in of_jump
    assert '--score-threshold' in of_jump
    [of_sit] = [message for message in messages if 'sit' in message]
    assert of_sit.endswith('no held-out instance of sit is found: label more of them, or train longer')


def test_a_file_of_another_checkpoint_model_or_classes_is_not_used(tmp_path, messages):
    checkpoint = tmp_path / 'epoch_9.pth'
    checkpoint.write_bytes(b'weights')
    threshold = Threshold(0.5, 0.75, 0.25, 40)
    chosen = OperatingPoint(threshold, dict(run=threshold, jump=threshold), model_digest(dict(a=(1, 2))), 4)
    assert read_operating_point(checkpoint) is None
    path = write_operating_point(checkpoint, chosen)
    assert path == tmp_path / 'epoch_9.operating_point.json'
    assert read_operating_point(checkpoint, model_digest(dict(a=[1, 2])), ['run', 'jump']) == chosen
    assert not messages
    assert read_operating_point(checkpoint, model_digest(dict(a=[1, 3]))) is None
    assert read_operating_point(checkpoint, classes=['jump', 'run']) is None
    checkpoint.write_bytes(b'later weights')
    assert read_operating_point(checkpoint) is None
    assert len(messages) == 3
    content = json.loads(path.read_text())
    content['overall']['score'] = 'high'
    path.write_text(json.dumps(content))
    with refused(path.name, 'overall: score'):
        read_operating_point(checkpoint)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A config file with a held-out fold, a checkpoint for it, and the tool."""
    folder = tmp_path_factory.mktemp('fold')
    config = small_config(folder, 'fsptal_tuned/fsptal-tuned_synthetic_fold')
    config.dump(folder / 'fold.py')
    tool = load_tool('analysis_tools/choose_threshold')
    return folder / 'fold.py', Path(save_untrained(config, folder / 'epoch_1.pth')), tool


def test_those_who_use_it(trained, capsys, tmp_path):
    path, checkpoint, tool = trained
    every = TALInferencer(path, checkpoint, 'cpu')
    assert every.operating_point is None
    tool.main([str(path), str(checkpoint)])
    assert '3 held-out videos' in capsys.readouterr().out
    inferencer = TALInferencer(path, checkpoint, 'cpu')
    low = {name: threshold.score for name, threshold in inferencer.operating_point.by_class.items()}
    features = next(Path(every._reads.dataset.data_root, 'features/test').glob('*.npy'))
    (all_found,) = every(features)['predictions'].values()
    expected = [found for found in all_found if found.score >= low[found.label]]
    assert 0 < len(expected) < len(all_found)
    assert inferencer(features)['predictions'] == {features.stem: expected}
    assert inferencer(features, score_threshold=-np.inf)['predictions'] == {features.stem: all_found}
    write_operating_point(checkpoint, replace(inferencer.operating_point, chosen_with='first.pth'))
    with pytest.raises(SystemExit):
        load_tool('demo').main([str(path), str(checkpoint), str(features), '--out-dir', str(tmp_path)])
    assert 'measured by held-out points with first.pth, not with this checkpoint: score' in capsys.readouterr().out
    other_nms = TALInferencer(path, checkpoint, 'cpu', nms=dict(type='nms', iou_threshold=0.9))
    assert other_nms.operating_point is None
    drawn, whole = (
        timelines_of_model(Config.fromfile(path), checkpoint, videos=[features.stem], score_threshold=threshold)
        for threshold in (None, -np.inf)
    )
    assert len(drawn[features.stem].tracks[0].proposals) == len(expected)
    assert len(whole[features.stem].tracks[0].proposals) == len(all_found)


def test_trained_on_or_without_points(trained):
    path, checkpoint, tool = trained
    config = Config.fromfile(path)
    config.train_dataloader.dataset.fold = None
    with refused('val_dataloader.dataset', '3 of 3'):
        tool.choose_for_checkpoint(config, checkpoint)
    config.val_dataloader = None
    with refused('train_dataloader.dataset.fold'):
        tool.choose_for_checkpoint(config, checkpoint)


def test_a_checkpoint_of_another_fold(trained, tmp_path):
    path, checkpoint, tool = trained
    config, weights = Config.fromfile(path), torch.load(checkpoint)
    for index, text in enumerate((config.pretty_text, config.pretty_text.replace("part='train'", "part='held_out'"))):
        other = tmp_path / f'{index}.pth'
        torch.save({**weights, 'meta': dict(cfg=text)}, other)
    assert tool.choose_for_checkpoint(config, tmp_path / '0.pth').num_videos == 3
    with refused('1.pth', 'fold', 'held_out'):
        tool.choose_for_checkpoint(config, other)
    config.train_dataloader.dataset.fold = None
    torch.save({**weights, 'meta': dict(cfg=config.pretty_text)}, other)
    with refused('1.pth', 'fold', 'None'):
        tool.choose_for_checkpoint(Config.fromfile(path), other)


def test_a_checkpoint_that_was_trained_on_held_out_videos(trained, tmp_path):
    """With more videos, the folds are drawn again: the fold of the config has the same number, but other videos."""
    path, checkpoint, tool = trained
    config, weights = Config.fromfile(path), torch.load(checkpoint)
    held_out = sorted(video_ids(build_held_out(config)))
    earlier = tmp_path / 'earlier.pth'
    torch.save({**weights, 'meta': dict(cfg=config.pretty_text, trained_videos=['other', held_out[0]])}, earlier)
    with refused('earlier.pth', f'1 of 3 held-out videos ({held_out[0]})'):
        tool.choose_for_checkpoint(config, earlier)
    torch.save({**weights, 'meta': dict(cfg=config.pretty_text, trained_videos=['other'])}, earlier)
    assert tool.choose_for_checkpoint(config, earlier).num_videos == 3


def test_lower_thresholds_for_a_final_model(messages):
    points = Instances.from_videos([[[5, 5], [25, 25], [50, 50], [70, 70]]], [[0, 0, 1, 2]])
    segments = [[0, 10], [20, 30], [40, 44], [45, 55], [65, 75]]  # the third segment covers no point
    labels = [0, 0, 0, 1, 2]
    half = Threshold(0.5, 0.75, 0.25, 40)
    chosen = OperatingPoint(half, dict(run=half, jump=half, sit=half), 'model', 4)

    def lowered(first, final):
        first, final = (Instances.from_videos([segments], [labels], [scores]) for scores in (first, final))
        return lower_thresholds(chosen, points, first, final)

    rows = [
        ([0.9, 0.8, 0.7, 0.6, 0.6], [0.9, 0.5, 0.1, 0.5, 0.9], [0.5, 0.5, 0.5], 'as many are found; none is raised'),
        ([0.9, 0.8, 0.7, 0.6, 0.4], [0.4, 0.3, 0.9, 0.2, 0.4], [0.3, 0.2, 0.5], 'two of run, one of jump'),
        ([0.9, 0.4, 0.7, 0.4, 0.6], [0.4, 0.2, 0.9, 0.2, 0.6], [0.3, 0.5, 0.5], 'one of run: between 0.4 and 0.2'),
    ]
    for first, final, expected, reason in rows:
        assert lowered(first, final).scores == pytest.approx(expected), reason
    assert [message.split(':')[0] for message in messages] == ['sit', 'jump'], 'no point is found'
    assert lowered(*rows[1][:2]).by_class['run'] == replace(half, score=0.3)


def test_for_a_checkpoint_that_was_trained_on_all_videos(trained, capsys, messages, monkeypatch):
    path, checkpoint, tool = trained
    weights = torch.load(checkpoint)['state_dict']
    final = checkpoint.with_name('final.pth')
    torch.save(dict(state_dict=weights), final)
    tool.main([str(path), str(checkpoint)])
    of_first = read_operating_point(checkpoint)
    assert of_first.measured_by == 'held-out points'
    assert 'those of' not in capsys.readouterr().out
    tool.main([str(path), str(checkpoint), '--for', str(final)])
    assert operating_point_file(final).is_file()
    told = capsys.readouterr().out
    assert f'those of {checkpoint}, not of {final}' in told
    assert 'lowered' not in told
    chosen = read_operating_point(final)
    assert chosen == replace(of_first, chosen_with=str(checkpoint)), 'the same weights have the same thresholds'
    assert chosen.measured_by == f'held-out points with {checkpoint}, not with this checkpoint'
    other_order = list(of_first.by_class)[::-1]
    torch.save(dict(state_dict=weights, meta=dict(dataset_meta=dict(classes=other_order))), final)
    with refused('final.pth', 'classes'):
        tool.carry_over(Config.fromfile(path), of_first, checkpoint, final)
    weak = {name: value / 10 if value.is_floating_point() else value for name, value in weights.items()}
    torch.save(dict(state_dict=weak), final)
    tool.main([str(path), str(checkpoint), '--for', str(final)])
    lower = read_operating_point(final)
    assert any(lower.scores < of_first.scores)
    monkeypatch.setattr(operating_point, 'MIN_POINTS', 10**6)  # both models give a warning
    torch.save(dict(state_dict={name: value * 0 for name, value in weights.items()}), final)
    messages.clear()
    tool.main([str(path), str(checkpoint), '--for', str(final)])
    assert {message.split(': ')[0] for message in messages} == {str(checkpoint), str(final)}
    assert capsys.readouterr().out.count(': lowered to') == np.count_nonzero(lower.scores < of_first.scores)


def test_files_that_do_not_say_what_they_were_chosen_with_are_read(tmp_path):
    checkpoint = tmp_path / 'epoch_9.pth'
    checkpoint.write_bytes(b'weights')
    threshold = Threshold(0.5, 0.75, 0.25, 40)
    chosen = OperatingPoint(threshold, dict(run=threshold), '', 4)
    path = write_operating_point(checkpoint, chosen)
    content = json.loads(path.read_text())
    del content['chosen_with']
    path.write_text(json.dumps(content))
    assert read_operating_point(checkpoint) == chosen
