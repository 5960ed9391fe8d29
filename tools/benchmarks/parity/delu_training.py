"""Train DELU's public code and ours on the same features and video labels, and compare mAP over seeds.

Usage: git clone https://github.com/MengyuanChen21/ECCV2022-DELU && python tools/benchmarks/parity/delu_training.py
ECCV2022-DELU SCRATCH

Our config is ``delu-faithful_thumos14shaped.py``. Both codes get the features of the THUMOS-shaped dataset, whose
halves are the two streams. They get the training videos resized to LENGTH snippets, and the test videos as they are.

The public code needs pandas. It runs on copies of its files in SCRATCH, changed by PATCHES. A result that SCRATCH holds
is not made again, so seeds can be added later. Other options need another folder.
"""

import json
from functools import partial

from delu import CUDA, OPTIONS
from public_code import write_patched
from training import (
    ROOT,
    argument_parser,
    compare_trainings,
    load_config,
    read_videos,
    run,
    set_schedule,
    train_ours,
    write_arrays,
)

CONFIG = ROOT / 'configs/delu/delu-faithful_thumos14shaped.py'
DATASET = 'Thumos14reduced'
LENGTH = 320  # snippets that the public code samples from a longer video; from videos of this length, it takes all

PATCHES = {
    'base.py': [],
    'edl_loss.py': [],
    'proposal_methods.py': [],
    'utils/wsad_utils.py': [],
    # The public code draws pairs of videos of one class, and fails at a class with a single video: leave these out.
    'wsad_dataset.py': [('self.classwiseidx.append(idx)', 'self.classwiseidx += [idx] * (len(idx) > 1)')],
    'options.py': [('default=2048', 'default={width}')],
    'model.py': [(CUDA, ''), ('.cuda()', ''), ('2048', '{width}'), ('1024', '{half}'), ('512', '{quarter}')],
    'train.py': [(CUDA, ''), ('import wandb', '')],
    'main.py': [
        (CUDA, ''),
        ('torch.device("cuda")', 'torch.device("cpu")'),
        ('import wandb', ''),
        ('from tqdm import tqdm', 'tqdm = iter'),
    ],
    'test.py': [
        (CUDA, ''),
        ('import wandb', ''),
        ('from eval.classificationMAP import getClassificationMAP as cmAP', ''),
        ('from eval.eval_detection import ANETdetection', ''),
        (  # At this line, the proposals of all videos are there. Write them, and return zeros instead of their mAP.
            '    # CVPR2020\n',
            '    proposals.to_json("proposals.json", orient="records")\n    return [0.1], [0.0] * 9\n',
        ),
    ],
}


def our_config():
    """Read our config, for resized training videos."""
    config = load_config(CONFIG)
    config.train_dataloader.dataset.pipeline.insert(1, dict(type='ResizeSnippets', num_snippets=LENGTH))
    return config


def write_public(args, config, videos):
    """Write the patched files of the public code, and the data in its form; returns their folder."""
    folder = args.scratch / 'public'
    width = config.model.head.in_channels
    write_patched(args.clone, folder, PATCHES, width=width, half=width // 2, quarter=width // 4)
    write_arrays(folder, DATASET, classes_of(config), videos, (b'validation', b'test'))
    return folder


def classes_of(config):
    """Names of the classes."""
    return config.train_dataloader.dataset.metainfo['classes']


def train_public(args, config, folder, videos, seed, result):
    """Train the public code and keep the detections of its test after the last step; returns the seconds of both."""
    options = dict(dataset_name=DATASET, path_dataset='.', max_seqlen=LENGTH, seed=seed, lr=args.lr,
                   weight_decay=config.optim_wrapper.optimizer.weight_decay, batch_size=args.batch_size,
                   num_class=len(classes_of(config)), max_iter=args.steps,
                   interval=args.steps - 1)  # fmt: skip
    options |= {name: getattr(OPTIONS, name) for name in ('alpha_edl', 'alpha_uct_guide', 'amplitude', 'alpha2', 'k')}
    words = [f'--{name}={value}' for name, value in options.items()]
    seconds = run(result.with_suffix('.log'), folder, 'main.py', '--without_wandb', *words)
    results = {video.video_id: [] for video in videos if not video.training}
    classes, snippet_sec = classes_of(config), videos[-1].snippet_sec
    for found in json.loads((folder / 'proposals.json').read_text()):
        segment = [found['t-start'] * snippet_sec, found['t-end'] * snippet_sec]
        detection = dict(label=classes[int(found['label'])], score=found['score'], segment=segment)
        results[found['video-id']].append(detection)
    result.write_text(json.dumps(dict(results=results)))
    return seconds


def main():
    args = argument_parser(__doc__, steps=960, batch_size=10, lr=2.5e-4).parse_args()
    config = our_config()
    videos = read_videos(config)
    set_schedule(config, args, videos)
    folder = write_public(args, config, videos)
    codes = {'public code': partial(train_public, args, config, folder, videos), 'ours': partial(train_ours, config)}
    compare_trainings(codes, args.seeds, args.scratch, config)


if __name__ == '__main__':
    main()
