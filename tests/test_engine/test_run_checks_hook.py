"""Class lists are joined by name; a run that cannot train or resume does not start."""

import json

import pytest
from forks import forked, in_two_processes
from mmengine.runner import CheckpointLoader, save_checkpoint
from plain_files import plain_video, write_plain
from tiny_run import WRAPPERS, make_loader, make_runner, write_data

import fsptal_mm.evaluation  # noqa: F401  (registers the metrics)
from fsptal_mm.engine.hooks import run_checks_hook
from fsptal_mm.utils.errors import InputError

HOOK = [dict(type='RunChecksHook')]


def rewritten(folder, change):
    """Write a changed copy of the annotations; returns its name."""
    content = json.loads((folder / 'ann.json').read_text())
    change(content)
    (folder / 'other.json').write_text(json.dumps(content))
    return 'other.json'


def loader(folder, ann_file='ann.json', wrapper=None):
    found = make_loader(folder, ann_file=ann_file, test_mode=True)
    return found | dict(dataset=dict(type=wrapper, datasets=[found['dataset']])) if wrapper else found


def judge(folder, ann_file, name, wrapper=None):
    """Figures of a test, and its dataset."""
    runner = make_runner(
        folder,
        HOOK,
        name=name,
        test_dataloader=loader(folder, ann_file, wrapper),
        test_evaluator=dict(type='TALMetric'),
        test_cfg=dict(type='TestLoop'),
        load_from=str(folder / 'run/epoch_1.pth'),
    )
    return runner.test(), runner.test_dataloader.dataset


@pytest.fixture
def trained(tmp_path):
    make_runner(tmp_path, HOOK, epochs=1, lr=0.1).train()
    return tmp_path


@pytest.mark.parametrize('wrapper', [None, 'ConcatDataset'])
@pytest.mark.parametrize('listed', [['b', 'a'], ['b']], ids=['other order', 'some of them'])
def test_classes_of_test_data_are_mapped_by_name(trained, listed, wrapper):
    def change(content):
        content['classes'] = listed
        for video in content['videos'].values():
            for field in ('points', 'segments'):
                video[field] = [entry for entry in video[field] if entry['label'] in listed]

    def keep_list(content):
        change(content)
        content['classes'] = ['a', 'b']

    same, _ = judge(trained, rewritten(trained, keep_list), 'same')
    other, dataset = judge(trained, rewritten(trained, change), 'other', wrapper)
    assert dataset.metainfo['classes'] == ('a', 'b')
    assert other == same
    assert same['tal/AR@100'] > 0


def test_a_class_that_the_checkpoint_does_not_know_is_an_error(trained):
    def change(content):
        content['classes'] = ['a', 'B']
        for video in content['videos'].values():
            video['points'] = video['segments'] = []

    with pytest.raises(InputError, match=r'classes of test_dataloader: .*B.*a, b'):
        judge(trained, rewritten(trained, change), 'other')


def test_classes_of_validation_data_follow_the_training_data(tmp_path):
    write_data(tmp_path)
    ann_file = rewritten(tmp_path, lambda content: content.update(classes=['b', 'a']))
    val = dict(val_evaluator=dict(type='TALMetric'), val_cfg=dict(type='ValLoop'))
    runner = make_runner(tmp_path, HOOK, val_dataloader=loader(tmp_path, ann_file), **val)
    runner.train()
    assert runner.val_dataloader.dataset.metainfo['classes'] == ('a', 'b')
    (metric,) = runner.val_loop.evaluator.metrics
    assert metric.dataset_meta['classes'] == ('a', 'b')
    infos = map(runner.val_dataloader.dataset.get_data_info, range(5))
    assert [info['gt_segment_labels'].tolist() for info in infos][:2] == [[0, 1], [0, 1, 0]]


@pytest.mark.parametrize('name, told', [('v0', True), ('new', False)])
def test_validation_videos_that_are_trained_on_are_named(tmp_path, monkeypatch, name, told):
    write_data(tmp_path)
    (tmp_path / 'features/new.npy').write_bytes((tmp_path / 'features/v0.npy').read_bytes())

    def keep_one(content):
        content['videos'] = {name: content['videos']['v0']}

    logged = []
    monkeypatch.setattr(run_checks_hook, 'print_log', lambda message, *_: logged.append(message))
    ann_file = rewritten(tmp_path, keep_one)
    val = dict(val_evaluator=dict(type='PointMetric'), val_cfg=dict(type='ValLoop'))
    make_runner(tmp_path, HOOK, val_dataloader=loader(tmp_path, ann_file), **val).train()
    assert ['1 of 1 video ' in message for message in logged] == [True] * told


@pytest.mark.parametrize('ids, told', [(['v1', 'other'], True), (['other'], False)])
def test_test_videos_that_the_checkpoint_was_trained_on_are_named(trained, monkeypatch, ids, told):
    path = trained / 'run/epoch_1.pth'
    content = CheckpointLoader.load_checkpoint(str(path), 'cpu')
    save_checkpoint({**content, 'meta': {**content['meta'], 'trained_videos': ids}}, str(path))
    logged = []
    monkeypatch.setattr(run_checks_hook, 'print_log', lambda message, *_: logged.append(message))
    judge(trained, 'ann.json', 'test')
    assert any('1 of 5 videos' in message and 'v1' in message for message in logged) == told


def test_no_step_per_epoch_is_an_error(tmp_path):
    write_data(tmp_path)
    runner = make_runner(tmp_path, HOOK, train_dataloader=loader(tmp_path) | dict(batch_size=6, drop_last=True))
    with pytest.raises(InputError, match=r'batch_size: .*6 with drop_last.*5 videos'):
        runner.train()


@forked
def test_no_step_in_a_process_is_an_error(tmp_path):
    write_data(tmp_path)
    in_two_processes(train_in_batches_of_four, tmp_path)


def train_in_batches_of_four(rank, folder):
    train = loader(folder) | dict(batch_size=4, drop_last=True)  # of 5 videos, each process gets 3
    runner = make_runner(folder, HOOK, train_dataloader=train, launcher='pytorch')
    with pytest.raises(InputError, match=r'train_dataloader.batch_size: .*4 with drop_last.*3 videos.*2 processes'):
        runner.train()


@forked
def test_a_validation_that_would_leave_videos_of_a_process_out_is_an_error(tmp_path):
    write_data(tmp_path)
    in_two_processes(validate_with_batches_of_five, tmp_path)


def validate_with_batches_of_five(rank, folder):
    val = dict(val_evaluator=dict(type='TALMetric'), val_cfg=dict(type='ValLoop'))
    val |= dict(val_dataloader=loader(folder) | dict(batch_size=5, drop_last=True))
    runner = make_runner(folder, HOOK, launcher='pytorch', **val)
    with pytest.raises(InputError, match=r'val_dataloader.drop_last: .*3 of 3 videos in each of 2 processes'):
        runner.train()


@pytest.mark.parametrize(
    'head, given, found',
    [
        (dict(type='SFNetHead'), dict(supervision='clicks'), 'no point labels in 5 videos.*SFNetHead'),
        (dict(type='PointTALHead'), dict(supervision='clicks'), 'no point labels'),
        (
            dict(type='HRProHead', encoder=dict(num_heads=2)),
            dict(pointless='background', point_file='none.json'),
            'no point labels',
        ),
        (dict(type='BackTALHead'), dict(supervision='points'), 'no background clicks in 5 videos.*BackTALHead'),
    ],
)
@pytest.mark.parametrize('wrapper', [None, 'ConcatDataset'])
def test_labels_that_the_head_needs_and_no_video_has(tmp_path, head, given, found, wrapper):
    write_data(tmp_path)
    write_plain(tmp_path / 'none.json', 'ab', {f'v{number}': plain_video() for number in range(5)})
    data = make_loader(tmp_path, **given)
    if wrapper:
        data['dataset'], found = WRAPPERS[wrapper](data['dataset']), found.replace('5', '10')
    runner = make_runner(tmp_path, HOOK, head=head, train_dataloader=data)
    with pytest.raises(InputError, match=f'train_dataloader.dataset: .*{found}'):
        runner.train()


@pytest.mark.parametrize(
    'head, given',
    [
        (dict(type='MILHead'), dict(supervision='clicks')),
        (dict(type='BackTALHead'), dict(supervision='clicks')),
        (dict(type='BackTALHead', labels='points'), dict(supervision='points')),
        (dict(type='SFNetHead'), dict(supervision='segments')),
    ],
)
def test_labels_that_the_head_needs(tmp_path, head, given):
    write_data(tmp_path)
    make_runner(tmp_path, HOOK, head=head, train_dataloader=make_loader(tmp_path, **given)).train()


def test_a_resume_with_another_number_of_classes_is_an_error(trained):
    checkpoint = str(trained / 'run/epoch_1.pth')
    runner = make_runner(
        trained, HOOK, head=dict(num_classes=3), name='three', epochs=2, resume=True, load_from=checkpoint
    )
    with pytest.raises(InputError, match=r'checkpoint: .*head'):
        runner.train()


def test_a_resume_keeps_the_order_of_the_classes(trained):
    content = CheckpointLoader.load_checkpoint(str(trained / 'run/epoch_1.pth'))
    content['meta']['dataset_meta']['classes'] = ('b', 'a')
    save_checkpoint(content, str(trained / 'swapped.pth'))
    runner = make_runner(trained, HOOK, name='on', epochs=2, resume=True, load_from=str(trained / 'swapped.pth'))
    runner.train()
    assert runner.train_dataloader.dataset.metainfo['classes'] == ('b', 'a')


@pytest.mark.parametrize(
    'metric, wanted, known',
    [
        ('TALMetric', 'mAP', 'tal/mAP@0.1-0.7'),
        ('TALMetric', 'tal/mAP', 'tal/AR@50'),
        ('TALMetric', 'tal/nonsense', 'tal/mAP@0.1-0.7'),
        ('PointMetric', 'mAP', 'point/mAP'),
    ],
)
def test_an_unknown_save_best_is_an_error_before_training(tmp_path, metric, wanted, known):
    write_data(tmp_path)
    hooks = dict(checkpoint=dict(type='AtomicCheckpointHook', interval=1, save_best=wanted))
    val = dict(val_dataloader=loader(tmp_path), val_evaluator=dict(type=metric), val_cfg=dict(type='ValLoop'))
    runner = make_runner(tmp_path, HOOK, default_hooks=hooks, **val)
    with pytest.raises(InputError, match=f'save_best: found {wanted!r}.*{known}'):
        runner.train()
    assert not list((tmp_path / 'run').glob('*.pth'))


def test_a_figure_that_the_videos_do_not_give(tmp_path):
    write_data(tmp_path, segments=False)  # without segments, there are only figures of whole videos
    hooks = dict(checkpoint=dict(type='AtomicCheckpointHook', interval=1, save_best='tal/mAP@0.5'))
    val = dict(val_dataloader=loader(tmp_path), val_evaluator=dict(type='TALMetric'), val_cfg=dict(type='ValLoop'))
    runner = make_runner(tmp_path, HOOK, default_hooks=hooks, **val)
    with pytest.raises(InputError, match=r'save_best: .*tal/video_mAP'):
        runner.train()


@pytest.mark.parametrize('metric', ['TALMetric', 'PointMetric'])
def test_metrics_state_the_figures_that_they_give(tmp_path, metric):
    write_data(tmp_path)
    val = dict(val_dataloader=loader(tmp_path), val_evaluator=dict(type=metric), val_cfg=dict(type='ValLoop'))
    runner = make_runner(tmp_path, HOOK, **val)
    figures = runner.val()
    (metric,) = runner.val_loop.evaluator.metrics
    assert [f'{metric.prefix}/{key}' for key in metric.keys] == list(figures)


def test_training_samples_hold_points_and_no_segments(tmp_path):
    runner = make_runner(tmp_path)
    sample = runner.train_dataloader.dataset[2]['data_samples']
    assert sample.gt_point_sec.tolist() == [2.5, 11.5, 19.5]
    assert not [key for key in sample.metainfo_keys() if 'segment' in key or 'ambiguous' in key]
    assert runner.train_dataloader.dataset.get_data_info(2)['gt_segments_sec'].shape == (3, 2)


def test_a_validation_that_would_leave_videos_out_is_an_error(tmp_path):
    write_data(tmp_path)
    val = dict(val_evaluator=dict(type='TALMetric'), val_cfg=dict(type='ValLoop'))
    runner = make_runner(tmp_path, HOOK, val_dataloader=loader(tmp_path) | dict(batch_size=2, drop_last=True), **val)
    with pytest.raises(InputError, match=r'val_dataloader.drop_last: .*1 of 5'):
        runner.train()
