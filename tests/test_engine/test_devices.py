"""Errors of devices, such as a lack of memory, simulated on the CPU."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from localizers import make_localizer
from tiny_run import make_runner, same_weights

from fsptal_mm.apis import TALInferencer
from fsptal_mm.engine import StepInfoHook
from fsptal_mm.utils.errors import InputError


class OutOfMemory(torch.autograd.Function):
    """Function that changes nothing in the forward pass and runs out of memory in the backward pass."""

    @staticmethod
    def forward(ctx, value):
        return value.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 20.00 GiB.')


def no_memory(*_):
    raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 20.00 GiB.')


@pytest.mark.parametrize('in_backward', [False, True])
def test_out_of_memory_names_the_longest_video_and_two_settings(tmp_path, in_backward):
    runner = make_runner(tmp_path)
    head, seen = runner.model.head, []
    loss, train_step = head.loss, runner.model.train_step
    head.loss = lambda *args: {name: OutOfMemory.apply(part) for name, part in loss(*args).items()}
    if not in_backward:
        head.loss = no_memory
    runner.model.train_step = lambda data, **kwargs: seen.append(data) or train_step(data, **kwargs)
    with pytest.raises(InputError, match=r'batch_size.*--amp') as error:
        runner.train()
    longest = max(seen[0]['data_samples'], key=lambda sample: sample.num_snippets)
    assert error.value.video == longest.video_id
    assert str(longest.num_snippets) in error.value.found
    assert '\n' not in str(error.value)


def test_out_of_memory_in_a_test_names_the_video(tmp_path):
    runner = make_runner(tmp_path)
    runner.model.head.predict = no_memory
    data = runner.train_dataloader.dataset[0]
    with pytest.raises(InputError, match='video v0: memory of the GPU'):
        runner.model.test_step(dict(inputs=[data['inputs']], data_samples=[data['data_samples']]))


@pytest.mark.parametrize(
    'dtype, has_bfloat16, refused',
    [('bfloat16', False, True), (torch.bfloat16, False, True), ('bfloat16', True, False), ('float16', False, False)],
)
def test_bfloat16_needs_a_gpu_that_has_it(tmp_path, monkeypatch, dtype, has_bfloat16, refused):
    runner = make_runner(tmp_path)
    monkeypatch.setattr('fsptal_mm.engine.hooks.step_info_hook.get_device', lambda: 'cuda')
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda including_emulation: has_bfloat16)
    runner.optim_wrapper = SimpleNamespace(cast_dtype=dtype)
    if refused:
        with pytest.raises(InputError, match=r'optim_wrapper\.dtype.*float16'):
            StepInfoHook().before_train(runner)
    else:
        StepInfoHook().before_train(runner)


def save_as_on_gpu(content, path, monkeypatch):
    """Write a checkpoint that says that its tensors are those of a GPU."""
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, 'location_tag', lambda storage: 'cuda:0')
        torch.save(content, path)
    with pytest.raises(RuntimeError, match='CUDA'):
        torch.load(path)  # without map_location, loading needs a GPU


def test_a_training_on_a_gpu_goes_on_on_the_cpu(tmp_path, monkeypatch):
    adam = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.01, fused=True))
    settings = dict(
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1), seed=dict(type='EpochSeedHook'))
    )
    make_runner(tmp_path, epochs=2, name='whole', optim_wrapper=adam, **settings).train()
    checkpoint = tmp_path / 'gpu.pth'
    save_as_on_gpu(torch.load(tmp_path / 'whole/epoch_1.pth'), checkpoint, monkeypatch)
    resumed = dict(load_from=str(checkpoint), resume=True)
    make_runner(tmp_path, epochs=2, name='resumed', optim_wrapper=adam, **settings, **resumed).train()
    assert same_weights(*(torch.load(tmp_path / name / 'epoch_2.pth') for name in ('whole', 'resumed')))


def test_weights_of_a_gpu_localize_on_the_cpu(tmp_path, monkeypatch):
    config, checkpoint = make_localizer(tmp_path)
    save_as_on_gpu(torch.load(checkpoint), tmp_path / 'gpu.pth', monkeypatch)
    video = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    found, expected = (TALInferencer(config, path)(video)['predictions'] for path in (tmp_path / 'gpu.pth', checkpoint))
    assert found == expected
