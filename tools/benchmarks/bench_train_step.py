"""Time a training step at THUMOS14's real lengths, batch 16, and count its memory and the waits of the host.

The step is that of FS-PTAL with the paper's config: label extension, mining, search, all losses, backward pass, Adam.
In the same run, these are timed in turns with the step:

    trunk        convolution of the trunk alone, without masks, forward and backward
    whole trunk  trunk with the affinity convolutions of module D (feature separation), forward and backward
    our LACP     step of LACPHead
    plain step   step with padded batches, mining snippet by snippet on tensors, and feature separation of all pairs of
                 snippets at once; it must have the same losses
"""

import argparse
import itertools
from functools import partial

import numpy as np
import torch
from mmaction.registry import MODELS
from reference.from_tests import HostSyncs, PeakMemory, saved_bytes
from reference.plain import make_plain
from reference.step import build_model, build_optimizer, train_step
from reference.timing import clock_of, median_sec
from reference.videos import batches_of, pack_videos, read_annotations

import fsptal_mm.compat

# Seconds of a step of LACP's public code on the same videos (2 cores, AVX2), by D. Every tenth step, the public code
# also searches all training videos, by a forward pass and a beam search. LACP_SEARCH is a tenth of the seconds of both.
LACP_STEP = {2048: 3.10, 256: 0.339}
LACP_SEARCH = {2048: (17.5 + 13.5) / 10, 256: 13.5 / 10}  # no figure for the forward pass of D = 256
NUM_VIDEOS = 32
WARM_UPS = {2048: (2,), 256: (2, 30)}  # by D: numbers of training steps after which a step is timed
TURNS = {2048: 2, 256: 3}  # by D: number of turns, of which the median is printed


def matmul_gflops(clock, size=2048):
    """Rate of a large matrix product on this machine, in GFLOP/s."""
    left, right = torch.rand(size, size), torch.rand(size, size)
    return 2 * size**3 / median_sec([lambda: left @ right], 5, clock=clock)[0] / 1e9


def trunk_step(model, data):
    """Forward and backward pass of the trunk's convolution; returns its floating-point operations."""
    batch = model.data_preprocessor(data, True)['inputs']
    conv = model.embedding.conv
    out = conv(batch)
    out.backward(torch.ones_like(out))
    conv.zero_grad()
    return 4 * len(batch.features) * conv.weight.numel()


def whole_trunk_step(model, data):
    """Forward and backward pass of the trunk with the affinity convolutions of module D."""
    out = model.embedding(model.data_preprocessor(data, True)['inputs'])
    parts = out.features, out.affinity_embedding
    torch.autograd.backward(parts, [torch.ones_like(part) for part in parts])
    model.embedding.zero_grad()


def step_losses(model, data):
    """Losses of a batch with the same dropout for all models."""
    torch.manual_seed(0)
    with torch.no_grad():
        return model(**model.data_preprocessor(data, True), mode='loss')


def check_plain(model, plain, data):
    """Check that the plain step has the same losses; an AssertionError if not."""
    torch.testing.assert_close(step_losses(model, data), step_losses(plain, data), rtol=1e-3, atol=1e-4)


def mining_of(model, data):
    """Make a function that runs mining and segment search on a batch."""
    batch = model.data_preprocessor(data, True)
    with torch.no_grad():
        embedded = model.embed(**batch)
    return lambda: model.head.mine(embedded, batch['data_samples'])


def lacp_step_of(num_classes, dim):
    """Make a function from a batch to a training step of ``LACPHead``; batches have no label extension, as in LACP."""
    model = dict(
        type='PointTAL',
        embedding=dict(type='SnippetEmbedding', in_channels=dim),
        head=dict(type='LACPHead', in_channels=dim, num_classes=num_classes),
    )
    model = MODELS.build(model).train()
    optimizer = build_optimizer(model)
    return lambda data: train_step(model, optimizer, data)


def bench_time(trained, plain, batches, warm_up, seconds_of, matmul):
    """Print the times of a step.

    Args:
        trained: Model and optimizer after ``warm_up`` steps.
        plain: Model and optimizer of the plain step; the model gets the weights of the trained one.
        batches: Pairs of batches of the same videos: with and without label extension.
        warm_up: Number of steps that the model has been trained.
        seconds_of: :func:`median_sec` with all arguments but the functions.
        matmul: Rate of a matrix product in GFLOP/s, see :func:`matmul_gflops`.
    """
    model, optimizer = trained
    plain[0].load_state_dict(model.state_dict())
    check_plain(model, plain[0], batches[0][0])
    dim = model.embedding.conv.in_channels
    lacp_step = lacp_step_of(model.head.num_classes, dim)
    lacp_step(batches[0][1])
    step, trunk, whole_trunk, mining, lacp = sum(
        np.array(
            seconds_of(
                [
                    partial(train_step, model, optimizer, data),
                    partial(trunk_step, model, data),
                    partial(whole_trunk_step, model, data),
                    mining_of(model, data),
                    partial(lacp_step, unextended),
                ]
            )
        )
        for data, unextended in batches
    ) / len(batches)

    ours, slow = seconds_of([partial(train_step, *pair, batches[0][0]) for pair in (trained, plain)], repeats=1)
    rate = sum(trunk_step(model, data) for data, _ in batches) / len(batches) / trunk / 1e9
    others = step - trunk
    print(
        f'D = {dim}, {len(batches)} batches, after {warm_up} steps: step {step:.3f} s, trunk {trunk:.3f} s; '
        f'all but the trunk: {others / step:.0%} of the step, {others / trunk:.1f} x trunk; '
        f'all but the trunk with its affinity convolutions, {whole_trunk:.3f} s: {step / whole_trunk - 1:.2f} x that; '
        f'mining and search {mining / step:.0%}; plain step {slow / ours:.1f} x; '
        f'trunk at {rate:.0f} GFLOP/s = {rate / matmul:.2f} x matrix product'
    )
    alone, searched = LACP_STEP[dim], LACP_STEP[dim] + LACP_SEARCH[dim]
    for name, seconds in (('FS-PTAL', step), ('our LACPHead, labels not extended', lacp)):
        print(
            f'    across runs: {name} {seconds:.3f} s with search; LACP {alone} s = {alone / seconds:.1f} x, with its '
            f'share of the search {searched:.2f} s = {searched / seconds:.1f} x'
        )


def bench_padding(annotations):
    """Print the share of padding in our packed rows, and the work in batches that are padded to the longest video."""
    lengths = [[len(video) for video in data['inputs']] for data in batches_of(pack_videos(annotations, dim=1))]
    snippets, rows = sum(map(sum, lengths)), sum(sum(batch) + len(batch) + 1 for batch in lengths)
    padded = sum(len(batch) * max(batch) for batch in lengths)
    print(f'padding: {1 - snippets / rows:.1%} of the rows; padded to the longest {padded / snippets:.1f} x the work')


def bench_memory(model, optimizer, data):
    """Print the peak memory of a step, its ratio to the tensors that a step must keep, and the waits of the host."""
    optimizer.zero_grad()
    weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    state = sum(part.numel() * part.element_size() for parts in optimizer.state.values() for part in parts.values())
    activations = saved_bytes(lambda: sum(model(**model.data_preprocessor(data, True), mode='loss').values()), model)
    with PeakMemory() as memory:
        train_step(model, optimizer, data)
    least = activations + 2 * weights + state
    peak = memory.peak + weights + state
    optimizer.zero_grad()
    with HostSyncs() as syncs:
        sum(model(**model.data_preprocessor(data, True), mode='loss').values()).backward()
    print(
        f'D = {model.embedding.conv.in_channels}: peak memory {peak / 2**20:.0f} MB = {peak / least:.2f} x '
        f'(activations {activations / 2**20:.0f} + weights and gradients {2 * weights / 2**20:.0f} + optimizer '
        f'{state / 2**20:.0f} MB); the host waits {syncs.count} times a step'
    )


def bench_dim(dim, annotations, embed_channels, seconds_of, matmul):
    """Print all figures for features of one dimension."""
    batches = [batches_of(pack_videos(annotations, dim, extend)) for extend in (True, False)]
    build = partial(build_model, dim, len(annotations.classes), embed_channels)
    model, optimizer = build()
    plain, plain_optimizer = build()
    make_plain(plain)
    done = 0
    for warm_up in WARM_UPS[dim]:
        for data in itertools.islice(itertools.cycle(batches[0]), done, warm_up):
            train_step(model, optimizer, data)
        if not done:
            bench_memory(model, optimizer, batches[0][0])
        done = warm_up
        bench_time((model, optimizer), (plain, plain_optimizer), list(zip(*batches)), warm_up, seconds_of, matmul)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--dims', type=int, nargs='+', default=[2048, 256], choices=sorted(LACP_STEP), help='D of the features'
    )
    parser.add_argument('--embed-channels', type=int, help='D_e of module D instead of the one of the config')
    parser.add_argument(
        '--threads', type=int, default=torch.get_num_threads(), help='threads of the CPU (default: those of torch)'
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    fsptal_mm.compat.apply()
    annotations, told = read_annotations(NUM_VIDEOS)
    clock, told_clock = clock_of(args.threads)
    matmul = matmul_gflops(clock)
    print(f'{NUM_VIDEOS} of {told}\nthreads: {args.threads}, {told_clock}; matrix product {matmul:.0f} GFLOP/s')
    bench_padding(annotations)
    for dim in args.dims:
        seconds_of = partial(median_sec, repeats=TURNS[dim], warm=True, clock=clock)
        bench_dim(dim, annotations, args.embed_channels, seconds_of, matmul)


if __name__ == '__main__':
    main()
