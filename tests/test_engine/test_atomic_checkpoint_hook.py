"""Checkpoints are written whole or not at all, and a resume skips damaged ones."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import MMLogger
from tiny_run import make_runner, write_data
from toy_run import toy_runner

from fsptal_mm.engine.hooks.atomic_checkpoint_hook import AtomicCheckpointHook, AtomicLocalBackend
from fsptal_mm.engine.resuming import find_latest_checkpoint
from fsptal_mm.engine.trained_videos import trained_videos
from fsptal_mm.utils.errors import InputError


class KilledError(BaseException):
    """Error that stands for a signal: nothing but `finally` runs after it."""


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix in ('', '.pth') and path.is_file())


@pytest.fixture
def trained(tmp_path):
    """Two checkpoints of a run that keeps two."""
    toy_runner(tmp_path, 'first', 2, default_hooks=keep(2)).train()
    return tmp_path


def keep(number):
    return dict(checkpoint=dict(type='AtomicCheckpointHook', interval=1, max_keep_ckpts=number))


@pytest.mark.parametrize('kept', [1, 2])
def test_a_run_that_dies_while_saving_keeps_what_it_had(tmp_path, monkeypatch, kept):
    toy_runner(tmp_path, 'first', 2, default_hooks=keep(kept)).train()
    before = names(tmp_path)
    assert before == [*['epoch_1.pth', 'epoch_2.pth'][-kept:], 'last_checkpoint']
    written = {name: (tmp_path / name).read_bytes() for name in before}

    def die(file):
        raise KilledError

    monkeypatch.setattr(os, 'fsync', die)  # all bytes of a temporary file are written, but it is not in its place
    with pytest.raises(KilledError):
        toy_runner(tmp_path, 'second', 3, resume=True, default_hooks=keep(kept)).train()
    assert names(tmp_path) == before
    assert {name: (tmp_path / name).read_bytes() for name in before} == written
    monkeypatch.undo()
    toy_runner(tmp_path, 'third', 3, resume=True, default_hooks=keep(kept)).train()
    assert names(tmp_path) == [*['epoch_2.pth', 'epoch_3.pth'][-kept:], 'last_checkpoint']
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'epoch_3.pth')


def test_a_resume_deletes_what_a_run_that_died_meanwhile_has_not(tmp_path, monkeypatch):
    toy_runner(tmp_path, 'first', 2, default_hooks=keep(2)).train()

    def die(self, filepath):
        raise KilledError

    monkeypatch.setattr(LocalBackend, 'remove', die)  # the new checkpoint is written, the outdated one is not deleted
    with pytest.raises(KilledError):
        toy_runner(tmp_path, 'second', 4, resume=True, default_hooks=keep(2)).train()
    monkeypatch.undo()
    assert names(tmp_path) == ['epoch_1.pth', 'epoch_2.pth', 'epoch_3.pth', 'last_checkpoint']
    elsewhere = tmp_path / 'elsewhere'
    elsewhere.mkdir()
    (elsewhere / 'epoch_1.pth').write_bytes(b'of another run')
    load_from = str(tmp_path / 'epoch_3.pth')
    toy_runner(elsewhere, 'other', 3, resume=True, load_from=load_from, default_hooks=keep(2)).train()
    assert (elsewhere / 'epoch_1.pth').exists()
    toy_runner(tmp_path, 'third', 4, resume=True, default_hooks=keep(2)).train()
    assert names(tmp_path) == ['epoch_3.pth', 'epoch_4.pth', 'last_checkpoint']


class Validation(Hook):
    """Hook that stands for validations: it reports the given scores, one after each epoch."""

    priority = 'LOWEST'

    def __init__(self, scores):
        self.scores = list(scores)

    def after_train_epoch(self, runner):
        runner.train_loop._epoch += 1  # mmengine's loop has counted the epoch when it validates
        checkpoint_hook = next(hook for hook in runner.hooks if isinstance(hook, CheckpointHook))
        checkpoint_hook.after_val_epoch(runner, dict(score=self.scores.pop(0)))
        runner.train_loop._epoch -= 1


def runner_with_best(folder, name, scores, **options):
    checkpoint = dict(type='AtomicCheckpointHook', interval=1, max_keep_ckpts=1, save_best='score', rule='greater')
    hooks = dict(default_hooks=dict(checkpoint=checkpoint), custom_hooks=[Validation(scores)])
    return toy_runner(folder, name, 4, **hooks, **options)


def best_names(folder):
    return [name for name in names(folder) if name.startswith('best')]


@pytest.mark.parametrize('after', ['the best one is written', 'the latest one names it'])
def test_a_resume_knows_the_best_checkpoint_of_a_run_that_died_meanwhile(tmp_path, monkeypatch, after):
    """The run dies after the validation of epoch 2, the best one, before or after it saves epoch_2.pth again."""
    runner = runner_with_best(tmp_path, 'first', [0.5, 0.9])
    save = runner.save_checkpoint

    def save_and_die(folder, filename, *args, **kwargs):
        save(folder, filename, *args, **kwargs)
        if 'best_score_epoch_2.pth' in best_names(tmp_path) and filename.startswith('best') == ('is written' in after):
            raise KilledError

    runner.save_checkpoint = save_and_die
    with pytest.raises(KilledError):
        runner.train()
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_2.pth'))
    assert best_names(tmp_path) == ['best_score_epoch_1.pth', 'best_score_epoch_2.pth']
    mine = ['best_score_epoch_9.pth', 'best_other_epoch_1.pth', 'best_of_all.pth']  # not named by any checkpoint
    for name in mine:
        (tmp_path / name).write_bytes(b'of the user')
    resumed = runner_with_best(tmp_path, 'second', [0.8, 0.7], resume=True)
    resumed.train()  # both new scores are worse than that of epoch 2
    assert best_names(tmp_path) == sorted(['best_score_epoch_2.pth', *mine])
    assert resumed.message_hub.get_info('best_score') == 0.9


@pytest.mark.parametrize('how', ['whole', 'truncated'])
def test_a_best_checkpoint_of_another_run_is_neither_taken_up_nor_deleted(tmp_path, how):
    other, run = tmp_path / 'other', tmp_path / f'run_{how}'  # different names, since loggers are named by them
    runner_with_best(other, how, [0.1, 0.2, 0.3, 0.99]).train()
    runner_with_best(run, 'first', [0.5, 0.4, 0.3, 0.2]).train()
    shutil.copy(other / 'best_score_epoch_4.pth', run)
    if how == 'truncated':
        damage(run / 'best_score_epoch_4.pth', how)
    content = torch.load(run / 'epoch_4.pth')
    content['meta']['outdated_best'] = ['../other/best_score_epoch_4.pth', 'epoch_4.pth', 'best_score_epoch_1.pth']
    torch.save(content, run / 'epoch_4.pth')
    resumed = runner_with_best(run, 'second', [], resume=True)
    resumed.train()
    assert resumed.message_hub.get_info('best_score') == 0.5
    assert best_names(other) == ['best_score_epoch_4.pth']
    assert names(run) == ['best_score_epoch_1.pth', 'best_score_epoch_4.pth', 'epoch_4.pth', 'last_checkpoint']


def test_the_best_checkpoint_goes_only_when_a_better_one_is_there(tmp_path, monkeypatch):
    scores = iter([1.0, 2.0, 3.0])
    checkpoint = dict(type='AtomicCheckpointHook', save_best='score', rule='greater')
    runner = toy_runner(tmp_path, 'best', 3, default_hooks=dict(checkpoint=checkpoint))
    save, seen = runner.save_checkpoint, []
    runner.save_checkpoint = lambda *args, **kwargs: (save(*args, **kwargs), seen.append(names(tmp_path)))[0]
    hook = next(hook for hook in runner.hooks if isinstance(hook, CheckpointHook))

    def after_epoch(self, runner):
        save_epoch(runner)
        runner.train_loop._epoch += 1
        hook.after_val_epoch(runner, dict(score=next(scores)))
        runner.train_loop._epoch -= 1

    save_epoch = hook.after_train_epoch
    monkeypatch.setattr(type(hook), 'after_train_epoch', after_epoch)
    runner.train()
    best = [[name for name in found if name.startswith('best')] for found in seen]
    # The new checkpoint was written before the old one was deleted.
    assert ['best_score_epoch_1.pth', 'best_score_epoch_2.pth'] in best
    assert [name for name in names(tmp_path) if name.startswith('best')] == ['best_score_epoch_3.pth']


@pytest.mark.parametrize(
    'figure, rule, expected',
    [
        ('point/recall', None, 'greater'),  # mmengine knows no rule of it
        ('tal/mAP@0.5', None, 'greater'),
        ('val/Loss', None, 'less'),  # mmengine's own inference stays
        ('point/recall', 'less', 'less'),  # and so does a rule that is given
    ],
)
@pytest.mark.parametrize('named', [True, False], ids=['by name', 'auto'])
def test_the_rule_of_a_figure(tmp_path, figure, rule, expected, named):
    hook = AtomicCheckpointHook(save_best=figure if named else 'auto', rule=rule, out_dir=str(tmp_path))
    if not named:
        hook._init_rule(hook.rules, [figure])  # as mmengine does at the first validation
    assert hook.rules == [expected]
    assert hook.is_better_than[figure](2, 1) == (expected == 'greater')


def test_figures_with_rules_of_their_own():
    assert AtomicCheckpointHook(save_best=['point/recall', 'loss']).rules == ['greater', 'less']


def test_what_the_user_chose_for_writing_stays(tmp_path):
    checkpoint = dict(type='AtomicCheckpointHook', interval=1, backend_args=dict(backend='local'))
    runner = toy_runner(tmp_path, 'own', 1, default_hooks=dict(checkpoint=checkpoint))
    runner.train()
    (hook,) = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]
    assert hook.backend_args == dict(backend='local')
    assert not isinstance(hook.file_backend, AtomicLocalBackend)


def keep_warnings(monkeypatch):
    warnings = []
    monkeypatch.setattr(MMLogger, 'callHandlers', lambda self, record: warnings.append(record.getMessage()))
    return warnings


def damage(path, how):
    if how == 'missing':
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(dict(empty=b'', truncated=content[:-100], foreign=b'<html>')[how])


@pytest.mark.parametrize('how', ['missing', 'empty', 'truncated', 'foreign'])
def test_resume_passes_over_a_damaged_checkpoint(trained, how, monkeypatch):
    damage(trained / 'epoch_2.pth', how)
    warnings = keep_warnings(monkeypatch)
    runner = toy_runner(trained, 'second', 3, resume=True, default_hooks=keep(2))
    runner.call_hook('before_run')  # as at the beginning of a training
    runner.load_or_resume()
    assert runner.epoch == 1
    (reason,) = [text for text in warnings if 'passes over' in text]
    assert str(trained / 'epoch_2.pth') in reason
    assert any('older checkpoint' in text and str(trained / 'epoch_1.pth') in text for text in warnings)


@pytest.mark.parametrize(
    'listed, damaged, expected, warns, reason',
    [
        (None, None, 'epoch_2.pth', False, 'the latest one'),
        ('', None, 'epoch_2.pth', True, 'of a run that was killed while it wrote this file'),
        ('gone/epoch_2.pth', None, 'epoch_2.pth', True, 'the work directory was moved'),
        ('epoch_30.pth', None, 'epoch_2.pth', True, 'it is gone'),
        ('epoch_1.pth', None, 'epoch_1.pth', False, 'as listed'),
        (None, 'epoch_2.pth', 'epoch_1.pth', True, 'no newer file of an earlier run'),
        ('s3://bucket/epoch_3.pth', None, 's3://bucket/epoch_3.pth', False, 'remote ones are left to the host'),
    ],
)
def test_which_checkpoint_is_taken(trained, listed, damaged, expected, warns, reason, monkeypatch):
    monkeypatch.chdir(trained)
    warnings = keep_warnings(monkeypatch)
    if listed is not None:
        Path('last_checkpoint').write_text(listed)
    of_others = ['epoch_2.pth.tmp', 'best_mAP_epoch_2.pth', 'iter_9.pth', 'epoch_x.pth']
    for name in [*of_others, *['epoch_75.pth'] * bool(damaged)]:
        Path(name).write_bytes(Path('epoch_1.pth').read_bytes())
    if damaged:
        damage(Path(damaged), 'truncated')
    assert find_latest_checkpoint(str(trained)).endswith(expected), reason
    assert any('passes over' in text for text in warnings) == warns


def test_no_readable_checkpoint_is_an_error_and_none_at_all_a_start(trained):
    for number in (1, 2):
        damage(trained / f'epoch_{number}.pth', 'truncated')
    with pytest.raises(InputError, match=r'last_checkpoint: found .*epoch_2.*epoch_1'):
        find_latest_checkpoint(str(trained))
    (trained / 'last_checkpoint').unlink()
    assert find_latest_checkpoint(str(trained)) is None


def test_checkpoints_name_the_videos_that_they_were_trained_on(tmp_path):
    write_data(tmp_path)
    content = json.loads((tmp_path / 'ann.json').read_text())

    def train(kept, epochs, name, **options):
        """Train on some of the videos, and return the ids in the last checkpoint."""
        videos = {video_id: content['videos'][video_id] for video_id in kept}
        (tmp_path / 'ann.json').write_text(json.dumps({**content, 'videos': videos}))
        make_runner(tmp_path, epochs=epochs, name=name, default_hooks=keep(-1), **options).train()
        saved = torch.load(tmp_path / name / f'epoch_{epochs}.pth', weights_only=False)
        return sorted(trained_videos(saved))

    assert train(['v0', 'v1'], 1, 'first') == ['v0', 'v1']
    assert train(['v1', 'v2'], 2, 'first', resume=True) == ['v0', 'v1', 'v2']
    weights = str(tmp_path / 'first/epoch_1.pth')
    assert train(['v3', 'v4'], 1, 'from_weights', load_from=weights) == ['v0', 'v1', 'v3', 'v4']
    assert train(['v3', 'v4'], 1, 'anew') == ['v3', 'v4']


def test_data_without_ids_and_checkpoints_of_others_name_no_videos(trained):
    assert trained_videos(torch.load(trained / 'epoch_2.pth', weights_only=False)) is None
    assert trained_videos(dict(state_dict={}, meta=None)) is None
