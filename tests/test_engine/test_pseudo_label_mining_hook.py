import json
import pickle
from dataclasses import fields, is_dataclass

import pytest
import torch
from forks import forked, in_two_processes
from mmengine.dataset import pseudo_collate
from tiny_run import LENGTHS, batches, hook_of, make_runner, write_data

from fsptal_mm.engine import PseudoLabelMiningHook
from fsptal_mm.evaluation.label_quality import MEASURES, quality_over_training
from fsptal_mm.structures import VideoLabels
from fsptal_mm.utils.errors import InputError


def mining(**kwargs):
    return dict(type='PseudoLabelMiningHook', **kwargs)


def store_of(runner):
    return hook_of(runner, PseudoLabelMiningHook).store


def assert_same(found, expected):
    """Check that two results of ``mine``, or two stores, hold the same labels."""
    assert type(found) is type(expected)
    if isinstance(found, torch.Tensor):
        assert torch.equal(found.to_dense(), expected.to_dense())
    elif isinstance(found, (tuple, list)):
        assert len(found) == len(expected)
        for pair in zip(found, expected):
            assert_same(*pair)
    elif isinstance(found, dict):
        assert found.keys() == expected.keys()
        for key, value in found.items():
            assert_same(value, expected[key])
    elif is_dataclass(found):  # without cached properties
        for field in fields(found):
            assert_same(getattr(found, field.name), getattr(expected, field.name))


def follow(head):
    """List of the labels that a head is told to train on; it grows with each call of ``train_on``."""
    told, train_on = [], head.train_on
    head.train_on = lambda labels: told.append(labels) or train_on(labels)
    return told


@pytest.mark.parametrize('head', ['FSPTALHead', 'PointTALHead', 'LACPHead'])
def test_a_pass_mines_what_the_head_mines_at_a_step_with_the_same_weights(tmp_path, head):
    runner = make_runner(tmp_path, [mining()], dict(type=head))  # with the learning rate 0, the weights do not change
    runner.train()
    model, store = runner.model.train(), store_of(runner)
    assert set(store) == {f'v{number}' for number in range(len(LENGTHS))}
    mined = 0
    for inputs, samples in batches(runner):
        _, targets, segments = model.head.mine(model.embed(inputs), samples)
        stored = VideoLabels.to_batch(store, samples, inputs.mask)
        assert_same(stored, (targets, segments))
        assert (stored[1] is None) == (head == 'PointTALHead')
        mined += int(targets.labels.sum() > (samples[0].snippet_instances >= 0).sum())
    assert mined >= 3  # else the test would compare little more than given points


def test_labels_of_a_batch_are_taken_apart_and_joined_in_any_order(tmp_path):
    runner = make_runner(tmp_path)
    model, data = runner.model, pseudo_collate([runner.train_dataloader.dataset[index] for index in (1, 2)])
    samples, batch = data['data_samples'], model.embed(model.data_preprocessor(data)['inputs'])
    given, targets, segments = model.head.mine(batch, samples)
    store = VideoLabels.from_batch(samples, given, targets, segments)
    assert_same(VideoLabels.to_batch(store, samples, batch.mask), (targets, segments))
    swapped, its_segments = VideoLabels.to_batch(store, samples[::-1], batch.mask)
    assert torch.equal(swapped.snippet_instances, targets.snippet_instances.flip(0))
    assert torch.equal(swapped.background_labels, targets.background_labels.flip(0))
    assert set(its_segments.video.tolist()) == {0, 1}


def test_stored_labels_train_as_live_ones_do_and_do_not_follow_the_weights(tmp_path):
    losses = {}
    for live in (True, False):
        runner = make_runner(tmp_path, [mining(live=live)], dict(dropout=0.0), name=str(live))
        runner.train()
        runner.model.head.train_on('mined' if live else store_of(runner))
        losses[live] = [
            runner.model.head.loss(runner.model.embed(inputs), samples) for inputs, samples in batches(runner)
        ]
    assert losses[True] == losses[False]
    head, store = runner.model.head, store_of(runner)
    inputs, samples = next(batches(runner))
    batch = runner.model.embed(inputs)
    before = head.mine(batch, samples)
    with torch.no_grad():
        head.classifier.weight.neg_()  # changes all scores
    assert_same(head.mine(batch, samples), before)
    head.train_on('mined')
    assert not torch.equal(head.mine(batch, samples)[1].background_labels, before[1].background_labels)
    head.train_on(store)
    head.clean_scores = head.miner = head.searcher = None
    head.loss(batch, samples)  # mining would fail, so nothing is mined


def test_a_pass_changes_nothing_in_training(tmp_path):
    weights = []
    for name, hooks in (('with', [mining(interval=1)]), ('without', [])):
        runner = make_runner(tmp_path, hooks, epochs=3, lr=0.1, name=name)
        runner.train()
        assert runner.model.training
        weights.append(runner.model.state_dict())
    assert_same(*map(dict, weights))


def test_begin_and_interval(tmp_path):
    runner = make_runner(tmp_path, [mining(begin=1, interval=2, dump=True)], epochs=5)
    head, mined = runner.model.head, []
    loss_by_feat = head.loss_by_feat

    def spy(scores, targets, foreground_scores):
        mined.append((runner.epoch, int(targets.labels.any(-1).sum()), int(targets.background_labels.sum())))
        return loss_by_feat(scores, targets, foreground_scores)

    head.loss_by_feat = spy
    runner.train()
    dumped = sorted(path.name for path in (tmp_path / 'run/pseudo_labels').iterdir())
    assert dumped == ['epoch_1.json', 'epoch_3.json']
    dataset = runner.train_dataloader.dataset
    points = sum(int((sample['data_samples'].snippet_instances >= 0).any(1).sum()) for sample in dataset)
    before, after = ([row for row in mined if (row[0] == 0) == first] for first in (True, False))
    assert sum(actions for _, actions, _ in before) == points
    # One background snippet between two neighbouring points, one before the first and one after the last point of each
    # video. There are 13 points in 5 videos.
    assert sum(background for *_, background in before) == 13 + len(LENGTHS)
    assert sum(actions for _, actions, _ in after) > 4 * points


def test_the_head_is_left_as_it_was_built_and_forgets_an_earlier_run(tmp_path):
    runner = make_runner(tmp_path, [mining(live=False, begin=1)], epochs=2)
    head, seen = runner.model.head, []
    head.train_on(dict(stale='of a run that was interrupted'))
    told, mine = follow(head), head.mine
    head.mine = lambda *args: seen.append((runner.epoch, told[-1])) or mine(*args)
    runner.train()
    assert [labels for epoch, labels in seen if epoch == 0] == ['points'] * 3
    assert seen[-1] == (1, store_of(runner))
    assert told[-1] == 'mined'


def test_after_a_resume_the_store_is_made_from_the_weights(tmp_path):
    settings = dict(hooks=[mining(interval=10, live=False, dump=True)], lr=0.5)
    make_runner(tmp_path, **settings).train()
    assert [path.name for path in (tmp_path / 'run/pseudo_labels').iterdir()] == ['epoch_0.json']
    checkpoint = str(tmp_path / 'run/epoch_1.pth')
    runner = make_runner(tmp_path, **settings, epochs=2, name='resumed', load_from=checkpoint, resume=True)
    head, used = runner.model.head, []
    told, mine = follow(head), head.mine
    head.mine = lambda *args: used.append(told[-1]) or mine(*args)
    runner.train()
    # Epoch 1 is no multiple of the interval, but labels are mined there, since a resumed process has none.
    assert [path.name for path in (tmp_path / 'resumed/pseudo_labels').iterdir()] == ['epoch_1.json']
    model, store = runner.model, store_of(runner)
    assert used == ['mined'] * 3 + [store] * 3  # three batches in the pass and in the epoch
    saved = torch.load(checkpoint)
    assert not any('store' in key for key in (*saved, *saved['state_dict'], *saved['message_hub']['runtime_info']))
    model.load_state_dict(saved['state_dict'])
    for inputs, samples in batches(runner):
        labels = model.head.mine(model.embed(inputs), samples)
        assert_same(VideoLabels.to_batch(store, samples, inputs.mask), labels[1:])


def run_rank(rank, folder):
    runner = make_runner(folder, [mining(live=False, dump=True)], name='ranks', launcher='pytorch')
    runner.train()
    assert runner.distributed
    (folder / f'store{rank}.pkl').write_bytes(pickle.dumps(store_of(runner)))


@forked
def test_every_rank_holds_the_store_of_one(tmp_path):
    write_data(tmp_path)
    in_two_processes(run_rank, tmp_path)
    runner = make_runner(tmp_path, [mining(dump=True)], name='alone')
    runner.train()
    for rank in range(2):
        assert_same(pickle.loads((tmp_path / f'store{rank}.pkl').read_bytes()), store_of(runner))
    dumps = [(tmp_path / name / 'pseudo_labels/epoch_0.json').read_text() for name in ('ranks', 'alone')]
    assert dumps[0] == dumps[1]


def test_dump_and_scalars(tmp_path):
    runner = make_runner(tmp_path, [mining(dump=True)])
    runner.train()
    content = json.loads((tmp_path / 'run/pseudo_labels/epoch_0.json').read_text())
    assert sorted(content) == ['v0', 'v1', 'v2', 'v3', 'v4']
    for number, length in enumerate(LENGTHS):
        labels = content[f'v{number}']
        # Times are seconds of the video, and not snippets after label extension: the point at 2.5 s is in an action.
        assert any(row['label'] == 'a' and row['segment'][0] < 2.5 < row['segment'][1] for row in labels['action'])
        assert {row['label'] for row in labels['segments']} == {'a', 'b'}
        times = [time for row in labels['action'] + labels['segments'] for time in row['segment']]
        assert 0 <= min(times) <= max(times) <= length
    scalars = {name: runner.message_hub.get_scalar(name).current() for name in runner.message_hub.log_scalars}
    assert scalars['mining/mined_action'] > 0
    assert scalars['mining/segments'] == sum(len(labels['segments']) for labels in content.values())
    assert 0 < scalars['analysis/segment_tiou'] < 1
    figures = quality_over_training(tmp_path / 'run')  # the figures that were logged, computed from the dumps
    assert figures == {0: {name: scalars[f'analysis/{name}'] for name in MEASURES}}
    logged = [json.loads(line) for line in next((tmp_path / 'run').rglob('scalars.json')).read_text().splitlines()]
    assert any('mining/labelled_share' in line for line in logged)


def test_ground_truth_is_for_analysis_alone(tmp_path):
    stores = []
    for name, segments, analysis in (('all', True, True), ('without analysis', True, False), ('none', False, True)):
        folder = tmp_path / name
        folder.mkdir()
        write_data(folder, segments)
        runner = make_runner(folder, [mining(analysis=analysis)])
        runner.train()
        stores.append(store_of(runner))
        names = list(runner.message_hub.log_scalars)
        assert any(name.startswith('mining/') for name in names)
        assert any(name.startswith('analysis/') for name in names) == (segments and analysis)
    assert_same(stores[0], stores[1])
    assert_same(stores[0], stores[2])


def test_a_video_of_another_length_than_mined_is_named(tmp_path):
    runner = make_runner(tmp_path, [mining(live=False)])
    runner.train()
    runner.model.head.train_on(store_of(runner))
    inputs, samples = next(batches(runner))
    samples[0].set_metainfo(dict(num_snippets=samples[0].num_snippets + 1))
    with pytest.raises(InputError, match='video v0: number of snippets'):
        runner.model.head.mine(runner.model.embed(inputs), samples)


@pytest.mark.parametrize(
    'hook, settings, field',
    [
        (dict(begin=0.5), {}, r'begin: found 0\.5'),
        (dict(interval=0), {}, 'interval: found 0'),
        (dict(), dict(head=dict(type='MILHead')), 'model.head: found .MILHead.'),
        (dict(), dict(train_cfg=dict(type='IterBasedTrainLoop', max_iters=2)), 'train_cfg.type'),
    ],
)
def test_options_head_and_loop_must_fit(tmp_path, hook, settings, field):
    with pytest.raises(InputError, match=field):
        make_runner(tmp_path, [mining(**hook)], **settings).train()
