import numpy as np
import pytest
from small_sets import small_config
from tool_modules import load_tool

from fsptal_mm.datasets.synthetic.generator import ensure_synthetic


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """A generated dataset, which is read like a dataset of a user."""
    return ensure_synthetic(tmp_path_factory.mktemp('data') / 'set', train_videos=12, test_videos=10)


@pytest.fixture
def check(root, tmp_path, capsys):
    """Run the tool; return its exit status and the lines that it printed."""
    config = small_config(root.parent, 'base/base_synthetic')
    for part in ('train', 'test'):
        del config[f'{part}_dataloader'].dataset.generator
        config[f'{part}_dataloader'].dataset.type = 'PointTALDataset'
    config.dump(tmp_path / 'config.py')

    def check(*options):
        with pytest.raises(SystemExit) as end:
            load_tool('data/check_dataset').main([str(tmp_path / 'config.py'), *options])
        return end.value.code, [line.strip() for line in capsys.readouterr().out.splitlines()]

    return check


@pytest.fixture
def files(root):
    """Three files of features, which are restored after the test."""
    files = sorted((root / 'features/train').iterdir())[:3]
    kept = {path: path.read_bytes() for path in files}
    yield files
    for path, content in kept.items():
        path.write_bytes(content)


def test_good_data_pass_and_are_counted(check):
    status, lines = check()
    assert status == 0
    assert lines.count('classes: 10') == 2
    assert lines.index('train_dataloader') < lines.index('videos: 12') < lines.index('test_dataloader')
    assert 'videos: 10' in lines
    assert 'classes without a point: none' in lines
    [per_class] = [line for line in lines if line.startswith('points per class: ')]
    counts = [int(part.split()[-1]) for part in per_class.split(': ')[1].split(', ')]
    assert len(counts) == 10
    assert f'points: {sum(counts)}' in lines
    assert not any(line.startswith('error') for line in lines)


def test_the_planned_steps_are_told(check):
    length = ('--cfg-options', 'train_cfg.max_epochs=5', 'train_dataloader.batch_size=8')
    assert 'training: 5 epochs of 2 steps: 10 steps' in check(*length)[1]  # 12 training videos
    dataset = 'train_dataloader.dataset'
    fold = (f'{dataset}.fold.index=0', f'{dataset}.fold.count=3', f'{dataset}.fold.part=train')
    _, lines = check(*length, *fold, 'num_videos=40')
    assert 'training: 5 epochs of 1 step: 5 steps' in lines  # 8 training videos
    assert any(line.startswith('warning: num_videos: 40, but 12 labelled videos') for line in lines)
    assert not any('num_videos' in line for line in check(*length, *fold, 'num_videos=12')[1])


@pytest.mark.parametrize('part, is_warned', [('train', True), ('test', False)])
def test_classes_without_a_point_matter_where_they_are_learned(check, part, is_warned):
    dataset = f'{part}_dataloader.dataset'
    # Two held-out videos.
    fold = (f'{dataset}.fold.index=0', f'{dataset}.fold.count=6', f'{dataset}.fold.part=held_out')
    read = (f'{dataset}.subset=train', f'{dataset}.data_prefix.feature=features/train')
    _, lines = check('--loaders', f'{part}_dataloader', '--cfg-options', *read, *fold)
    assert 'videos: 2' in lines
    assert any('cannot be learned' in line for line in lines) == is_warned


def test_every_broken_video_is_a_line_and_the_status_says_so(check, files):
    files[0].unlink()
    files[1].write_bytes(b'no array')
    np.save(files[2], np.load(files[2])[:3])
    status, lines = check('--loaders', 'train_dataloader')
    errors = [line for line in lines if line.startswith('error: ')]
    assert (status, len(errors)) == (1, 3)
    assert all(path.stem in error for path, error in zip(files, errors))


def test_a_wrong_grid_is_found(check):
    status, lines = check('--cfg-options', 'train_dataloader.dataset.grid.snippet_sec=0.32')
    assert status == 1
    assert sum(line.startswith('error: ') for line in lines) == 12


@pytest.mark.parametrize(
    'options, field',
    [
        (['model.head.num_classes=7'], 'model.head.num_classes: 7'),
        (['model.embedding.in_channels=7'], 'model.embedding.in_channels: 7'),
    ],
)
def test_a_model_that_does_not_fit_is_an_error_of_each_loader(options, field, check):
    status, lines = check('--cfg-options', *options)
    assert (status, sum(field in line for line in lines)) == (1, 2)


@pytest.mark.parametrize(
    'dimensions, lengths, named',
    [({'30': 1, '31': 1}, {64}, True), ({'30': 2}, {64}, True), ({'64': 2}, {64}, False), ({'64': 2}, {30}, False)],
)
def test_transposed_features_of_videos_without_durations_are_named(capsys, dimensions, lengths, named):
    tool = load_tool('data/check_dataset')
    tool.check_model({'embedding': {'in_channels': 64}}, 'ab', dimensions, lengths, tool.Findings())
    assert ('transpose' in capsys.readouterr().out) == named


@pytest.mark.parametrize('share, is_warned', [(0.001, True), (0.09, True), (0.11, False)])
def test_features_that_hardly_differ_are_named_once(check, files, share, is_warned):
    for path in files:
        features = np.load(path)
        features = (features - features.mean(0)) / np.sqrt(features.var(0).mean())
        np.save(path, np.sqrt(1 - share**2) + share * features)
    status, lines = check('--loaders', 'train_dataloader')
    warnings = [line for line in lines if line.startswith('warning: ')]
    assert (status, len(warnings)) == (0, is_warned)
    assert all(path.stem in warning for warning in warnings for path in files)


def test_one_loader_that_cannot_be_built_does_not_hide_the_other(check):
    status, lines = check('--cfg-options', 'train_dataloader.dataset.ann_file=nowhere.json')
    assert (status, sum(line.startswith('error: ') for line in lines)) == (1, 1)
    assert 'videos: 10' in lines


def test_unreadable_annotations_end_in_one_line(check):
    status, lines = check('--cfg-options', 'data_root=nowhere')
    assert status == 1
    assert sum(line.startswith('error: nowhere/') for line in lines) == 2
