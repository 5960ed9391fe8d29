import cv2
import numpy as np
import pytest
import torch
from tiny_run import make_loader, make_runner, write_data

from fsptal_mm.utils.errors import InputError


def make_drawing_runner(folder, *hooks, **settings):
    """A runner with one of our hooks for each dict of arguments, and the visualizer that it needs."""
    # A new dict for each runner, since mmengine changes it.
    visualizer = dict(type='TALVisualizer', vis_backends=[dict(type='LocalVisBackend')])
    hooks = [dict(type='TALVisualizationHook') | hook for hook in hooks]
    return make_runner(folder, hooks, **dict(visualizer=visualizer) | settings)


def validation(folder):
    """Settings that validate on the training videos."""
    write_data(folder)
    loader = make_loader(folder, test_mode=True)
    return dict(val_dataloader=loader, val_evaluator=dict(type='TALMetric'), val_cfg=dict(type='ValLoop'))


def pictures(folder, name='run'):
    return sorted(path.name for path in (folder / name).rglob('*.png'))


def test_pictures_of_both_kinds_at_their_epochs(tmp_path):
    settings = validation(tmp_path)
    settings['train_cfg'] = dict(type='EpochBasedTrainLoop', max_epochs=3, val_interval=3)
    make_drawing_runner(tmp_path, dict(interval=2, train_videos=['v3'], val_videos=2), **settings).train()
    assert pictures(tmp_path) == ['train_v3_2.png', 'val_v0_3.png', 'val_v1_3.png']
    (path, *_) = (tmp_path / 'run').rglob('train_v3_2.png')
    image = cv2.imread(str(path)).astype(int)
    assert image.shape[1] > 1000
    # BGR, as OpenCV reads it: the colour of class a, in the first video.
    is_orange = (image == np.array([0, 159, 230])).all(-1)
    assert is_orange.sum() > 1000


def test_what_is_drawn_is_what_the_model_says_then(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        'fsptal_mm.visualization.TALVisualizer.add_datasample',
        lambda self, name, image, sample, step: drawn.append((name, step, sample)),
    )
    make_drawing_runner(tmp_path, dict(interval=1, train_videos=1), epochs=2, lr=0.5).train()
    assert [row[:2] for row in drawn] == [('train_v0', 1), ('train_v0', 2)]
    first, second = (row[2].snippet_curves.scores for row in drawn)
    assert np.abs(first - second).max() > 1e-4
    assert len(drawn[0][2].mined_labels) > 0


def test_validation_shows_the_averaged_weights_that_were_validated(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        'fsptal_mm.visualization.TALVisualizer.add_datasample',
        lambda self, name, image, sample, step: seen.append(sample.pred_segments.scores.numpy()),
    )
    settings = validation(tmp_path)
    settings['default_hooks'] = dict(checkpoint=None, ema=dict(type='EMAHook', momentum=0.5))
    runner = make_drawing_runner(tmp_path, dict(val_videos=1), lr=0.5, **settings)
    predicted, predict = [], runner.model.head.predict_by_feat

    def spy(scores, mask, data_samples, *args):
        predicted.append(predict(scores, mask, data_samples, *args)[0].pred_segments.scores.numpy())
        return data_samples

    runner.model.head.predict_by_feat = spy
    runner.train()
    np.testing.assert_array_equal(seen[0], predicted[0])  # v0 comes first in the validation


def test_training_goes_on_as_without_the_hook(tmp_path):
    weights = []
    for name, hooks in (('without', []), ('with', [dict(interval=1, train_videos=1)])):
        default_hooks = dict(seed=dict(type='EpochSeedHook'))
        runner = make_drawing_runner(tmp_path, *hooks, epochs=2, lr=0.5, name=name, default_hooks=default_hooks)
        runner.train()
        weights.append(runner.model.state_dict())
    assert len(pictures(tmp_path, 'with')) == 2
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_video_ids_that_name_folders_stay_in_one(tmp_path):
    write_data(tmp_path)
    text = (tmp_path / 'ann.json').read_text()
    (tmp_path / 'ann.json').write_text(text.replace('"v0"', '"deep/v0"'))
    (tmp_path / 'features/deep').mkdir()
    (tmp_path / 'features/v0.npy').rename(tmp_path / 'features/deep/v0.npy')
    make_drawing_runner(tmp_path, dict(interval=1, train_videos=['deep/v0'])).train()
    assert pictures(tmp_path) == ['train_deep_v0_1.png']


def test_only_the_main_process_draws(tmp_path, monkeypatch):
    runner = make_drawing_runner(tmp_path, dict(interval=1, train_videos=1))
    # The hook now takes this process for another rank.
    monkeypatch.setattr('mmengine.dist.utils.get_rank', lambda group=None: 1)
    runner.train()
    assert pictures(tmp_path) == []
    monkeypatch.undo()
    # mmengine's setter does nothing in other processes, either.
    runner.visualizer.dataset_meta = runner.train_dataloader.dataset.metainfo
    runner.call_hook('after_train_epoch')
    assert len(pictures(tmp_path)) == 1


@pytest.mark.parametrize(
    'hook, settings, field',
    [
        (dict(interval=True), {}, 'TALVisualizationHook.interval'),
        (dict(train_videos=-1), {}, 'train_videos'),
        (dict(val_videos='v0'), {}, 'val_videos'),
        (dict(train_videos=['x']), {}, r"train_videos: found \['x'\]"),
        (dict(val_videos=['y']), dict(validates=True), r"val_videos: found \['y'\]"),
        (dict(), dict(visualizer=None), r"visualizer: found 'Visualizer'"),
    ],
)
def test_wrong_settings_are_refused_before_training(tmp_path, hook, settings, field):
    settings = validation(tmp_path) if settings.pop('validates', False) else settings
    with pytest.raises(InputError, match=field):
        make_drawing_runner(tmp_path, hook, **settings).train()
