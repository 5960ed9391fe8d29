"""Time training and inference on videos of THUMOS14's lengths, and count the operations and host waits of a step.

This benchmark is meant for a GPU. On a CPU, the counts are nearly the same, but few steps are timed. A step goes from
features on the device to updated weights, mining and search included. The same run also times the trunk's convolution
alone, forward and backward, since no step can take less time.
"""

import argparse
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from reference.part_counts import count_step, print_counts
from reference.second_stage import second_stage_config, start_second_stage
from reference.step import build_optimizer
from reference.videos import batches_of, label_videos, read_annotations

import fsptal_mm.compat

_CONFIGS = Path(__file__).parents[2] / 'configs/_base_/models'
_EPOCHS, _STEPS_PER_EPOCH = 1500, 13  # THUMOS14: 200 videos in batches of 16


def build(name, dim, num_classes, device, second_stage=False):
    """Build the model of a config for features of dimension ``dim``, and the optimizer of the stage that is timed."""
    config = Config.fromfile(_CONFIGS / f'{name}.py').model
    config.embedding.in_channels = config.head.in_channels = dim
    config.head.num_classes = num_classes
    if second_stage:
        config.refinement = second_stage_config(dim, num_classes)
    torch.manual_seed(0)
    model = MODELS.build(config).to(device).train()
    return model, build_optimizer(model.refinement if second_stage else model)


def make_batches(annotations, dim, size, stage, device):
    """Make full batches of labelled videos with random features on the device."""
    samples = label_videos(annotations, stage)
    generator = torch.Generator().manual_seed(0)
    for sample in samples:
        sample['inputs'] = torch.rand(len(sample['inputs']), dim, generator=generator).to(device)
    return batches_of(samples, size)


def make_step(model, optimizer, batches, dtype=None):
    """Make a function that trains on the next batch at every call."""
    device, at = next(model.parameters()).device, [0]
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)

    def step():
        data = batches[at[0] % len(batches)]
        at[0] += 1
        with torch.autocast(device.type, dtype) if dtype else nullcontext():
            losses = model(**model.data_preprocessor(data, True), mode='loss')
        optimizer.zero_grad()
        scaler.scale(sum(losses.values())).backward()
        scaler.step(optimizer)
        scaler.update()
        return torch.stack(list(losses.values())).tolist()  # the host waits once, as it does to log losses

    return step


def make_trunk(model, batches, dtype=None):
    """Make a function that runs the trunk's convolution forward and backward on the next batch."""
    device, at = next(model.parameters()).device, [0]
    packed = [model.data_preprocessor(data, True)['inputs'] for data in batches]

    def step():
        batch = packed[at[0] % len(packed)]
        at[0] += 1
        with torch.autocast(device.type, dtype) if dtype else nullcontext():
            out = model.embedding.conv(batch)
        out.backward(torch.ones_like(out))
        model.embedding.conv.zero_grad()

    return step


def seconds(function, repeats, device):
    """Mean seconds of a call, by the wall clock."""
    for _ in range(3):
        function()
    wait(device)
    started = time.perf_counter()
    for _ in range(repeats):
        function()
    wait(device)
    return (time.perf_counter() - started) / repeats


def wait(device):
    """Wait until the device has done its work."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def busy_share(function, device, repeats=5):
    """Return the share of time in which the device works, and the number of kernels per call, by torch.profiler."""
    wait(device)
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        started = time.perf_counter()
        for _ in range(repeats):
            function()
        wait(device)
        passed = time.perf_counter() - started
    kernels = [event for event in profiler.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    return sum(event.device_time for event in kernels) / 1e6 / passed, len(kernels) / repeats


def bench_training(title, model, optimizer, batches, args, dtype=None):
    """Print the time of a training step and of the trunk alone, and on a GPU its kernels and memory."""
    device = args.device
    step, trunk = make_step(model, optimizer, batches, dtype), make_trunk(model, batches, dtype)
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
    of_step, of_trunk = seconds(step, args.steps, device), seconds(trunk, args.steps, device)
    line = f'{title}: step {of_step * 1e3:.1f} ms, trunk {of_trunk * 1e3:.1f} ms, {of_step / of_trunk:.2f} x the trunk'
    if device.type == 'cuda':
        share, kernels = busy_share(step, device)
        peak = torch.cuda.max_memory_allocated(device) / 2**30
        line += f'; device busy {share:.0%} (profiled), {kernels:.0f} kernels and copies, peak {peak:.2f} GiB'
    print(line, flush=True)
    return of_step


def bench_inference(model, batches, args):
    """Print the time of inference for a minute of video."""
    model.eval()
    videos = [(data, sum(sample.duration_sec for sample in data['data_samples']) / 60) for data in batches]

    def predict():
        with torch.no_grad():
            for data, _ in videos:
                model.test_step(data)

    minutes = sum(minutes for _, minutes in videos)
    print(f'    inference: {seconds(predict, 3, args.device) / minutes * 1e3:.2f} ms for a minute of video', flush=True)
    model.train()


def bench_dim(dim, size, annotations, args):
    """Print all figures of one dimension and one size of batches."""
    num_classes, device = len(annotations.classes), args.device
    batches = make_batches(annotations, dim, size, 'embedding', device)
    names = ['fsptal_tuned', 'fsptal', 'lacp', 'point_tal_base'] if size == min(args.batch_sizes) else ['fsptal_tuned']
    of_step = {}
    for name in names:
        own = make_batches(annotations, dim, size, 'features', device) if name == 'fsptal' else batches
        model, optimizer = build(name, dim, num_classes, device)
        if size == min(args.batch_sizes) and dim == max(args.dims):
            step = make_step(model, optimizer, own)
            step()
            print_counts(name, *count_step(model, optimizer, own[0]))
        title = f'{name}, D = {dim}, batch {size}'
        of_step[name] = bench_training(title, model, optimizer, own, args)
    model, optimizer = build('fsptal_tuned', dim, num_classes, device)
    bench_inference(model, batches, args)
    schedule = of_step['fsptal_tuned'] * _EPOCHS * _STEPS_PER_EPOCH / 60
    print(f'    {_EPOCHS} epochs of {_STEPS_PER_EPOCH} steps: {schedule:.1f} minutes at this rate', flush=True)
    if device.type == 'cuda':
        for dtype in (torch.bfloat16, torch.float16):
            model, optimizer = build('fsptal_tuned', dim, num_classes, device)
            bench_training(f'    {dtype}', model, optimizer, batches, args, dtype)
        if args.compile:
            model, optimizer = build('fsptal_tuned', dim, num_classes, device)
            for part in (model.embedding, model.head.separation):
                part.compile(dynamic=True)
            bench_training('    trunk and branch compiled', model, optimizer, batches, args)
    model, optimizer = build('fsptal_tuned', dim, num_classes, device, second_stage=True)
    start_second_stage(model, batches, num_classes)
    if size == min(args.batch_sizes) and dim == max(args.dims):
        make_step(model, optimizer, batches)()  # not counted, since the first step of an optimizer makes its state
        print_counts('second stage', *count_step(model, optimizer, batches[0]))
    bench_training(f'    second stage of {len(model.refinement.inputs)} networks', model, optimizer, batches, args)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = 'cuda' if torch.cuda.is_available() else 'cpu'
    parser.add_argument(
        '--device', type=torch.device, default=default, help='e.g. cpu or cuda:1 (default: a GPU, if there is one)'
    )
    parser.add_argument(
        '--dims',
        type=int,
        nargs='+',
        metavar='D',
        help='dimensions of the features (default: 2048 and 256; on a CPU 256)',
    )
    parser.add_argument(
        '--batch-sizes', type=int, nargs='+', help='videos in a batch (default: 16 and 64; on a CPU 16)'
    )
    parser.add_argument('--steps', type=int, help='timed steps (default: 200; on a CPU 3)')
    parser.add_argument(
        '--compile', action='store_true', help='also time a step with compiled trunk and separation branch'
    )
    args = parser.parse_args()
    on_gpu = args.device.type == 'cuda'
    args.dims = args.dims or ([2048, 256] if on_gpu else [256])
    args.batch_sizes = args.batch_sizes or ([16, 64] if on_gpu else [16])
    args.steps = args.steps or (200 if on_gpu else 3)
    fsptal_mm.compat.apply()
    annotations, told = read_annotations(2 * max(args.batch_sizes))
    name = torch.cuda.get_device_name(args.device) if on_gpu else f'CPU, {torch.get_num_threads()} threads'
    tf32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    print(f'{name}; torch {torch.__version__}; {told}; TF32 in convolutions, in products: {tf32}', flush=True)
    for dim in args.dims:
        for size in args.batch_sizes:
            bench_dim(dim, size, annotations, args)


if __name__ == '__main__':
    main()
