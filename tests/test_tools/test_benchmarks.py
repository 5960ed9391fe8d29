"""The code of the benchmarks runs with the current models, and its plain step has the same losses as ours."""

import importlib
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / 'tools/benchmarks'


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Function that imports a benchmark as a module, where it finds no real annotations."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setenv('FSPTAL_DATA_ROOT', str(tmp_path))
    return importlib.import_module


def test_the_plain_step_has_the_same_losses(load):
    bench, videos = load('bench_train_step'), load('reference.videos')
    annotations, _ = videos.read_annotations(8)
    data, *_ = videos.batches_of(videos.pack_videos(annotations, dim=8), size=4)
    (model, optimizer), (plain, _) = (bench.build_model(8, len(annotations.classes)) for _ in range(2))
    bench.train_step(model, optimizer, data)  # with the initial weights, nothing is mined
    bench.make_plain(plain)
    plain.load_state_dict(model.state_dict())
    bench.check_plain(model, plain, data)
    bench.whole_trunk_step(model, data)


@pytest.mark.parametrize('name, stage', [('fsptal', 'features'), ('fsptal_tuned', 'embedding')])
def test_a_step_without_the_search_has_at_most_400_operations(load, name, stage):
    bench, videos = load('bench_gpu'), load('reference.videos')
    annotations, _ = videos.read_annotations(8)
    data, *_ = bench.make_batches(annotations, 8, 4, stage, torch.device('cpu'))
    model, optimizer = bench.build(name, 8, len(annotations.classes), torch.device('cpu'))
    bench.make_step(model, optimizer, [data])()  # makes the state of the optimizer
    counts, waits = bench.count_step(model, optimizer, data)
    assert sum(counts.values()) - counts['search', False] <= 400
    assert len(waits) == 3


def test_the_parts_of_a_step_run_one_by_one(load):
    bench = load('bench_long_videos')
    model, _ = bench.build_model(bench.DIM, bench.CLASSES)
    for part in bench.parts_of(model, *bench.make_video(40)).values():
        part()


def test_the_second_stage_takes_a_step(load):
    bench, videos = load('bench_gpu'), load('reference.videos')
    annotations, _ = videos.read_annotations(4)
    batches = bench.make_batches(annotations, 8, 4, 'embedding', torch.device('cpu'))
    num_classes = len(annotations.classes)
    model, optimizer = bench.build('fsptal_tuned', 8, num_classes, torch.device('cpu'), second_stage=True)
    bench.start_second_stage(model, batches, num_classes)
    before = [part.clone() for part in model.refinement.parameters()]
    bench.make_step(model, optimizer, batches)()
    assert any((old != new).any() for old, new in zip(before, model.refinement.parameters()))
