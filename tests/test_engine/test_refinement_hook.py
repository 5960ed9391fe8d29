"""Training of stage 1 and the second stage in one run."""

import json

import pytest
import torch
from forks import forked, in_two_processes
from mmaction.registry import MODELS
from tiny_run import make_loader, make_runner, write_data

from fsptal_mm.apis.model_loading import load_local_checkpoint
from fsptal_mm.engine.hooks import refinement_hook
from fsptal_mm.models.task_modules import candidate_sampler
from fsptal_mm.utils.errors import InputError

BEGIN = 2
NETWORK = dict(in_channels=6, channels=8, hidden_channels=16)
REFINEMENT = dict(type='RefinementHead', num_classes=2, members=[NETWORK, NETWORK])
HEADS = dict(  # arguments of heads without PseudoLabelMiner
    LACPHead=dict(miner=dict(type='LACPSeedMiner')),
    SFNetHead=dict(),
    HRProHead=dict(encoder=dict(num_heads=2)),
)


def refined_model(head='FSPTALHead', refinement=(), **options):
    own = HEADS.get(head, dict(miner=dict(type='PseudoLabelMiner')))
    head = dict(type=head, num_classes=2, in_channels=8) | own
    trunk = dict(type='SnippetEmbedding', in_channels=6, out_channels=8)
    return dict(type='PointTAL', embedding=trunk, head=head, refinement=REFINEMENT | dict(refinement)) | options


ONE_STAGE = refined_model() | dict(refinement=None)


def make_refined_runner(folder, hook=(), model=None, epochs=4, stage='embedding', name='run', **kwargs):
    """A runner whose second stage begins in the third epoch; if ``hook`` is ``None``, there is no second stage."""
    hooks = [] if hook is None else [dict(type='RefinementHook', begin=BEGIN) | dict(hook)]
    hooks += kwargs.pop('hooks', ())
    default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1), seed=dict(type='EpochSeedHook'))
    settings = dict(epochs=epochs, lr=0.05, name=name, model=model or refined_model(), default_hooks=default_hooks)
    runner = make_runner(folder, hooks, **settings | kwargs)
    for step in runner.train_dataloader.dataset.pipeline.transforms:
        if type(step).__name__ == 'ExtendPointLabels':
            step.stage = stage
    return runner


def weights(runner, part):
    return {name: value.clone() for name, value in getattr(runner.model, part).state_dict().items()}


def equal(first, second):
    return all(torch.equal(value, second[name]) for name, value in first.items())


def test_one_stage_trains_after_the_other(tmp_path):
    runner = make_refined_runner(tmp_path)
    fresh, steps, step = weights(runner, 'refinement'), [], runner.model.train_step

    def train_step(*args, **kwargs):
        losses = step(*args, **kwargs)
        parts = {part: weights(runner, part) for part in ('embedding', 'head', 'refinement')}
        steps.append((runner.epoch, {name for name in losses if name.startswith('loss_')}, parts))
        return losses

    runner.model.train_step = train_step
    runner.train()
    first, second = ([row[1:] for row in steps if (row[0] >= BEGIN) == late] for late in (False, True))
    assert all('loss_refined_class' not in names for names, _ in first)
    assert all(names == {'loss_refined_class', 'loss_refined_segment'} for names, _ in second)
    of_stage1 = first[-1][1]
    assert not equal(first[0][1]['head'], of_stage1['head'])
    for part in ('embedding', 'head'):
        assert all(equal(parts[part], of_stage1[part]) for _, parts in second)
    assert equal(fresh, of_stage1['refinement'])
    trained = weights(runner, 'refinement')
    assert trained.pop('is_trained')
    assert all((value != fresh[name]).any() for name, value in trained.items())


def test_stage_1_is_trained_as_if_alone_and_a_stage_that_never_begins_is_warned_of(tmp_path, capsys):
    refined = make_refined_runner(tmp_path, epochs=BEGIN, name='refined')
    alone = make_refined_runner(tmp_path, None, ONE_STAGE, epochs=BEGIN, name='alone')
    for runner in (refined, alone):
        runner.train()
    assert all(equal(weights(refined, part), weights(alone, part)) for part in ('embedding', 'head'))
    assert not refined.model.refinement.is_trained
    assert capsys.readouterr().out.count('RefinementHook.begin') == 1


@pytest.mark.parametrize(
    'settings',
    [
        dict(),
        dict(workers=2),
        dict(hooks=[dict(type='EMAHook', momentum=0.1)]),
        dict(optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.01), accumulative_counts=3)),
        dict(optim_wrapper=dict(type='AmpOptimWrapper', optimizer=dict(type='Adam', lr=0.01), dtype='bfloat16')),
    ],
    ids=str,
)
def test_a_resume_is_exact_at_the_end_of_every_epoch(tmp_path, settings):
    ends = []
    whole = make_refined_runner(tmp_path, name='whole', **settings)
    whole.train()
    for epoch in range(1, 4):
        checkpoint = str(tmp_path / f'whole/epoch_{epoch}.pth')
        resumed = make_refined_runner(tmp_path, name=f'from{epoch}', load_from=checkpoint, resume=True, **settings)
        resumed.train()
        ends.append(resumed.model.state_dict())
    assert all(equal(whole.model.state_dict(), end) for end in ends)


def test_pseudo_segments_are_found_dumped_and_judged(tmp_path):
    runner = make_refined_runner(tmp_path, hook=dict(dump=True))
    runner.train()
    dumped = json.loads((tmp_path / 'run/pseudo_segments/epoch_2.json').read_text())
    assert sorted(dumped) == ['v0', 'v1', 'v2', 'v3', 'v4']
    scalars = runner.message_hub.log_scalars
    assert scalars['refinement/pseudo_segments'].current() == sum(map(len, dumped.values())) > 5
    assert 0 < scalars['analysis/pseudo_segment_tiou'].current() <= 1
    truth = json.loads((tmp_path / 'ann.json').read_text())['videos']
    for video_id, segments in dumped.items():
        for segment in segments:
            points = [point['time_sec'] for point in truth[video_id]['points'] if point['label'] == segment['label']]
            assert sum(segment['segment'][0] <= time <= segment['segment'][1] for time in points) == 1


def test_a_stage_1_without_any_proposal_is_warned_of(tmp_path, monkeypatch, capsys):
    propose = refinement_hook.propose

    def nothing(*args):
        return {video: found | dict(detections=found['detections'][:0]) for video, found in propose(*args).items()}

    monkeypatch.setattr(refinement_hook, 'propose', nothing)
    make_refined_runner(tmp_path).train()
    assert capsys.readouterr().out.count('no proposal for any labelled instance: step 5 of') == 1


def test_training_never_reads_the_ground_truth(tmp_path):
    ends = []
    for segments in (True, False):
        folder = tmp_path / str(segments)
        folder.mkdir()
        write_data(folder, segments=segments)
        runner = make_refined_runner(folder)
        runner.train()
        ends.append(runner.model.state_dict())
    assert equal(*ends)
    assert 'analysis/pseudo_segment_tiou' not in runner.message_hub.log_scalars


@pytest.mark.parametrize(
    'head, inputs, channels',
    [('PointTALHead', 'features', 6), *((head, 'embedding', 8) for head in ('FSPTALHead', *HEADS))],
)
def test_it_stands_behind_any_stage_1(tmp_path, head, inputs, channels):
    members = [NETWORK | dict(inputs=inputs, in_channels=channels)]
    model = refined_model(head, refinement=dict(members=members))
    runner = make_refined_runner(tmp_path, model=model)
    runner.train()
    data = next(iter(runner.train_dataloader))
    runner.model.eval()
    runner.model.data_preprocessor.training = False
    (sample, *_), refined = runner.model.test_step(data), []
    for refine in (True, False):
        runner.model.refine = refine
        refined.append(runner.model.test_step(data)[0].pred_segments.scores.clone())
    assert len(sample.pred_segments.scores)
    assert refined[0].shape != refined[1].shape or not torch.allclose(*refined)


@pytest.mark.parametrize(
    'settings, field',
    [
        (dict(stage='features'), r'ExtendPointLabels\.stage'),
        (dict(model=ONE_STAGE), 'model.refinement'),
        (dict(hook=dict(begin=-1)), 'begin'),
        (dict(hook=dict(pseudo_segments=dict(blend=3))), 'blend'),
        (dict(hook=dict(dump='yes')), 'dump'),
    ],
)
def test_wrong_settings(tmp_path, settings, field):
    with pytest.raises(InputError, match=field):
        make_refined_runner(tmp_path, **settings).train()


def test_a_checkpoint_of_two_stages_is_whole_and_one_of_stage_1_leaves_the_second_fresh(tmp_path):
    torch.manual_seed(0)
    refined, other, stage1 = (MODELS.build(config).eval() for config in (refined_model(), refined_model(), ONE_STAGE))
    fresh = {name: value.clone() for name, value in refined.refinement.state_dict().items()}
    refined.refinement.is_trained.fill_(True)
    other.load_state_dict(refined.state_dict())
    assert other.refines
    other.refine = False
    assert not other.refines
    with pytest.raises(InputError, match='checkpoint: found'):
        stage1.load_state_dict(refined.state_dict())
    torch.save(dict(state_dict=stage1.state_dict()), tmp_path / 'stage1.pth')
    load_local_checkpoint(refined, tmp_path / 'stage1.pth')
    assert equal(refined.head.state_dict(), stage1.head.state_dict())
    assert equal(refined.refinement.state_dict(), fresh)
    assert not refined.refines
    runner = make_runner(tmp_path)
    found = [
        model.test_step(next(iter(runner.train_dataloader)))[0].pred_segments.scores for model in (stage1, refined)
    ]
    assert torch.equal(*found)


def train_rank(rank, folder):
    settings = dict(model=without_chance(), train_dataloader=make_loader(folder, 1, indices=4), launcher='pytorch')
    settings['cfg'] = dict(find_unused_parameters=True)
    runner = make_refined_runner(folder, dict(begin=1), epochs=3, name='two', **settings)
    runner.train()
    torch.save(runner.model.module.state_dict(), folder / f'rank{rank}.pth')


def without_chance():
    """A model without dropout, and a sampler that draws the same candidates whatever the batch."""
    dropout = dict(input_dropout=0.0, pooled_dropout=0.0, hidden_dropout=0.0)
    sampler = dict(type='CandidateSampler', num_jittered=0, num_random=1, random_snippets=(4, 4), num_per_range=500)
    model = refined_model(refinement=dict(members=[NETWORK | dropout], sampler=sampler))
    model['head']['dropout'] = 0.0
    return model


@forked
def test_two_processes_train_both_stages_as_one(tmp_path, monkeypatch):
    # Random segments would differ from process to process, so here all random numbers are 0.5.
    monkeypatch.setattr(candidate_sampler.torch, 'rand', lambda *args, **kwargs: torch.full(args, 0.5, **kwargs))
    write_data(tmp_path)
    in_two_processes(train_rank, tmp_path)
    ranks = [torch.load(tmp_path / f'rank{rank}.pth') for rank in range(2)]
    assert equal(*ranks)
    batches_of_two = dict(train_dataloader=make_loader(tmp_path, 2, indices=4))
    one = make_refined_runner(tmp_path, dict(begin=1), without_chance(), epochs=3, name='one', **batches_of_two)
    start = one.model.state_dict()
    start = {name: value.clone() for name, value in start.items()}
    one.train()
    found = one.model.state_dict()
    # Batches of other sizes are rounded differently, so an end of a proposal may move by 1/24 of a snippet.
    for name, value in ranks[0].items():
        torch.testing.assert_close(value, found[name], rtol=0, atol=5e-4)
    moved = found['refinement.members.0.conv.weight'] - start['refinement.members.0.conv.weight']
    assert moved.abs().max() > 0.01


def test_a_file_of_stage_1_starts_a_second_stage(tmp_path, capsys):
    stage1 = make_refined_runner(tmp_path, None, ONE_STAGE, epochs=1, name='stage1')
    stage1.train()
    file = str(tmp_path / 'stage1/epoch_1.pth')
    refined = make_refined_runner(tmp_path, dict(begin=0), epochs=1, name='refined', load_from=file)
    capsys.readouterr()
    refined.train()
    assert capsys.readouterr().out.count('starts afresh') == 1
    assert equal(weights(refined, 'head'), weights(stage1, 'head'))
    assert refined.model.refines


def test_an_ensemble_and_the_second_stage_of_hrpro_train_and_predict(tmp_path):
    model = refined_model() | dict(refinement=dict(type='HRProInstanceHead', in_channels=6))
    model['head'] |= dict(type='EnsembleHead', member='FSPTALHead', num_members=2)
    model['embedding'] |= dict(out_channels=16)
    runner = make_refined_runner(tmp_path, model=model)
    fresh = weights(runner, 'refinement')
    runner.train()
    trained = weights(runner, 'refinement')
    assert trained.pop('is_trained')
    assert all((value != fresh[name]).any() for name, value in trained.items())
    assert runner.model.refines
    found = runner.model.eval().test_step(next(iter(runner.train_dataloader)))
    assert any(len(sample.pred_segments.scores) for sample in found)
