"""Training, resume, inference and extraction on a GPU."""

import copy

import numpy as np
import pytest
import torch
from localizers import make_localizer
from mmengine.model import MMDistributedDataParallel
from model_builders import make_batch
from test_models_on_gpu import MODELS_OF, assert_same, build, step
from tiny_recognizers import write_recognizer
from tiny_run import make_runner, tensors
from tiny_videos import write_video
from tool_modules import load_tool

from fsptal_mm.apis import TALInferencer

pytestmark = pytest.mark.cuda


def train(folder, name, device, epochs, monkeypatch, **options):
    monkeypatch.setattr('mmengine.device.utils.DEVICE', torch.device(device).type)
    head = dict(dropout=0.0)
    optimizer = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3, fused=True))
    default = dict(checkpoint=dict(type='CheckpointHook', interval=1), seed=dict(type='EpochSeedHook'))
    runner = make_runner(
        folder, head=head, name=name, epochs=epochs, optim_wrapper=optimizer, default_hooks=default, **options
    )
    runner.train()
    assert next(runner.model.parameters()).device.type == torch.device(device).type
    return dict(tensors(torch.load(folder / name / f'epoch_{epochs}.pth', map_location='cpu')['state_dict']))


@pytest.mark.parametrize('first', ['cpu', 'other'])
def test_a_training_goes_on_on_another_device(tmp_path, device, monkeypatch, first):
    devices = ['cpu', device] if first == 'cpu' else [device, 'cpu']
    whole = train(tmp_path, 'whole', 'cpu', 3, monkeypatch)
    train(tmp_path, 'begun', devices[0], 2, monkeypatch)
    checkpoint = str(tmp_path / 'begun/epoch_2.pth')
    found = train(tmp_path, 'resumed', devices[1], 3, monkeypatch, load_from=checkpoint, resume=True)
    assert_same([found], [whole], rtol=1e-2, atol=2e-3)  # Adam may step by 1e-3 where gradients are 0


def test_nccl_with_one_process_gives_the_same_gradients(tmp_path, device):
    model, batch = build(*MODELS_OF['fsptal']), make_batch(num_videos=3, num_snippets=40, num_instances=3, dim=16)
    backend = 'nccl' if device.type == 'cuda' else 'gloo'
    init = f'file://{tmp_path / "store"}'
    torch.distributed.init_process_group(backend, init_method=init, rank=0, world_size=1)
    try:
        ids = [0] if device.type == 'cuda' else None
        wrapped = MMDistributedDataParallel(copy.deepcopy(model).to(device), device_ids=ids)
        data = wrapped.module.data_preprocessor(copy.deepcopy(batch), True)
        losses = wrapped(**data, mode='loss')
        sum(losses.values()).backward()
        gradients = {name: weight.grad.cpu() for name, weight in wrapped.module.named_parameters()}
    finally:
        torch.distributed.destroy_process_group()
    assert_same([gradients], step(model, batch, torch.device('cpu'))[1:])


def test_inference_gives_the_detections_of_the_cpu(tmp_path, device):
    config, checkpoint = make_localizer(tmp_path)
    rng = np.random.default_rng(0)
    videos = [rng.normal(size=(length, 6)).astype(np.float32) for length in (40, 7, 90)]
    found, expected = (
        TALInferencer(str(config), str(checkpoint), str(name))(videos)['predictions'] for name in (device, 'cpu')
    )
    assert found.keys() == expected.keys()
    for video, detections in expected.items():
        assert len(found[video]) == len(detections) > 0
        for one, other in zip(found[video], detections):
            assert one.label == other.label
            assert one[:2] + one[3:] == pytest.approx(other[:2] + other[3:], abs=1e-4)


def test_extraction_gives_the_features_of_the_cpu(tmp_path, device):
    tool = load_tool('data/extract_features')
    recognizer = write_recognizer(tmp_path, 'tsn')
    (tmp_path / 'videos').mkdir()
    write_video(tmp_path / 'videos/v0.mp4', 2.0)
    features = []
    for number, name in enumerate((device, 'cpu')):
        out = tmp_path / f'out{number}'
        options = ['--workers', '0', '--fps', '20', '--device', str(name)]
        with pytest.raises(SystemExit) as end:
            tool.main([*recognizer, str(out), str(tmp_path / 'videos'), *options])
        assert end.value.code == 0
        features.append(np.load(out / 'v0.npy'))
    np.testing.assert_allclose(*features, rtol=1e-3, atol=1e-3)
