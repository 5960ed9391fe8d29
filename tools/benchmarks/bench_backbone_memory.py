"""Peak memory and time of a training step through a backbone, against the length of the video.

The backbone is a ResNet-18 on clips of 4 frames of 112 x 112 pixels. A step is the forward and backward pass of one
video. Every row is measured in a process of its own. ``MB`` is the peak of the resident memory, minus the peak before
the step. The clips (uint8) are in memory before the step, so they do not count.
"""

import argparse
import multiprocessing
import resource
import time

import torch
from mmaction.registry import MODELS

import fsptal_mm.compat

FRAMES, SIZE = 4, 112
MODES = {
    'frozen': dict(freeze_backbone=True),
    'partly frozen (two stages)': dict(freeze_backbone=['conv1', 'layer1', 'layer2']),
    'trained': dict(),
    'trained, no checkpoints': dict(checkpoint_clips=False),
}


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--snippets', type=int, nargs='+', default=[16, 32, 64], help='lengths of the video')
    return parser.parse_args()


def resident_mb():
    """Peak of the resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def step(mode, num_snippets, queue):
    """Run one step, and put its peak memory (MB) and its time (seconds) into the queue."""
    torch.set_num_threads(1)
    fsptal_mm.compat.apply()
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='PointTAL',
            backbone=dict(type='mmaction.ResNet', depth=18, pretrained=None, norm_eval=True),
            embedding=dict(type='SnippetEmbedding', in_channels=512),
            head=dict(type='PointTALHead', num_classes=2, in_channels=512),
            **MODES[mode],
        )
    )
    clips = torch.randint(0, 256, (num_snippets, FRAMES, 3, SIZE, SIZE), dtype=torch.uint8)
    before, start = resident_mb(), time.perf_counter()
    batch = model.embed(model.data_preprocessor(dict(inputs=[clips]), True)['inputs'])
    batch.features.square().mean().backward()
    queue.put((resident_mb() - before, time.perf_counter() - start))


def main():
    args = parse_args()
    context = multiprocessing.get_context('spawn')
    print(f'{"backbone":<28}{"snippets":>9}{"MB":>8}{"s":>8}')
    for mode in MODES:
        for num_snippets in args.snippets:
            queue = context.Queue()
            process = context.Process(target=step, args=(mode, num_snippets, queue))
            process.start()
            megabytes, seconds = queue.get()
            process.join()
            print(f'{mode:<28}{num_snippets:>9}{megabytes:>8.0f}{seconds:>8.1f}')


if __name__ == '__main__':
    main()
