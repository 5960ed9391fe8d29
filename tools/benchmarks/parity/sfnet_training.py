"""Train SF-Net's public code and ours on the same features and points, and compare mAP over seeds.

Usage: git clone https://github.com/Flowerfan/SF-Net && python tools/benchmarks/parity/sfnet_training.py SF-Net SCRATCH

Our config is ``sfnet-faithful_acc_50salads.py`` with two streams. Both codes get whole videos of 50 Salads, and the
features twice, as two streams.

The public code needs pandas. It runs on copies of its files in SCRATCH, changed by PATCHES. A result that SCRATCH holds
is not made again, so seeds can be added later. Other options need another folder.
"""

import json
from functools import partial

from public_code import write_patched
from sfnet import CUDA, NEEDED
from training import (
    ROOT,
    argument_parser,
    compare_trainings,
    epochs_of,
    load_config,
    read_videos,
    run,
    set_schedule,
    train_ours,
    write_arrays,
)

CONFIG = ROOT / 'configs/sfnet/sfnet-faithful_acc_50salads.py'
DATASET = 'GTEA'  # The public code gets 50 Salads under the name of GTEA; PATCHES change its settings for GTEA.
FPS, STRIDE = 5, 3  # A snippet is 3 frames at 5 per second, 0.6 s.

# By the name of a file: pairs of a text and its replacement. write_public fills in {dim}, {length} and {classes}.
PATCHES = {
    'utils.py': [],
    'center_loss.py': [],
    'options.py': [],
    'video_dataset.py': [],
    'train.py': [(CUDA, '')],
    'model.py': [(CUDA, ''), ('1024', '{dim}')],
    'eval.py': [
        *NEEDED,
        ("torch.device('cuda')", "torch.device('cpu')"),
        # Write the detections, and end before the public evaluation: `compare_trainings` evaluates both codes.
        ('json.dump(save_dict, fw)', 'json.dump(save_dict, fw)\n    return 0.0'),
    ],
    'main.py': [
        (CUDA, ''),
        ('torch.device("cuda")', 'torch.device("cpu")'),
        ('use_gpu=True', 'use_gpu=False'),
        ('CrossEntropyLoss().cuda()', 'CrossEntropyLoss()'),
        ('fps = 15', f'fps = {FPS}'),
        ('stride = 16', f'stride = {STRIDE}'),
        ('t_max = 100', 't_max = {length}'),
        ('t_max_ctc = 150', 't_max_ctc = {length}'),
        ('num_class = 7', 'num_class = {classes}'),
    ],
}
# Stands in for the module of the TensorBoard logger.
LOGGER = """class Logger:
    def __init__(self, folder):
        pass

    def log_value(self, name, value, step):
        pass


log_value = None
"""


def our_config():
    """Read our config, and give it two streams of the same features."""
    config = load_config(CONFIG)
    for loader, part in ((config.train_dataloader, 'train'), (config.test_dataloader, 'test')):
        loader.dataset.data_prefix = dict(rgb=f'features/{part}', flow=f'features/{part}')
    config.model.head.update(num_streams=2, in_channels=2 * config.model.head.in_channels)
    return config


def write_public(clone, scratch, classes, videos):
    """Write the patched files of the public code, and the data in its form; returns their folder."""
    folder = scratch / 'public'
    length, width = max(len(video.features) for video in videos), videos[0].features.shape[1]
    write_patched(clone, folder, PATCHES, dim=width // 2, length=length, classes=len(classes))
    (folder / 'tensorboard_logger.py').write_text(LOGGER)

    data = write_arrays(folder / 'data', DATASET, classes, videos, (b'training', b'validation'))
    points = [
        f'{video.video_id},{(snippet + 0.5) * STRIDE / FPS},{classes[label]}\n'
        for video in videos
        for snippet, label in video.points
    ]
    (data / 'single_frames').mkdir(exist_ok=True)
    (data / 'single_frames/points.txt').write_text(''.join(points))
    database = {video.video_id: {} for video in videos}
    (folder / 'data' / f'{DATASET.lower()}_groundtruth.json').write_text(json.dumps(dict(database=database)))
    return folder


def train_public(args, folder, videos, seed, result):
    """Train the public code and keep the detections of its last evaluation; returns the seconds that it took."""
    last = args.steps - 1  # steps count from 0
    options = dict(dataset_name=DATASET, feature_size=videos[0].features.shape[1], fps=FPS, stride=STRIDE, lr=args.lr,
                   batch_size=args.batch_size, max_iter=last, eval_steps=last, expand_step=args.growth - 1,
                   seed=seed)  # fmt: skip
    words = [f'--{name.replace("_", "-")}={value}' for name, value in options.items()]
    seconds = run(result.with_suffix('.log'), folder, 'main.py', *words)
    (folder / 'data/prediction.json').rename(result)
    return seconds


def main():
    parser = argument_parser(__doc__, steps=400, batch_size=8, lr=1e-3)
    parser.add_argument('--growth', type=int, default=100, help='steps before labels grow; default: %(default)s')
    args = parser.parse_args()
    config = our_config()
    videos = read_videos(config)
    set_schedule(config, args, videos)
    config.custom_hooks[0].epochs = [epochs_of(args.growth, args.batch_size, videos)]
    folder = write_public(args.clone, args.scratch, config.train_dataloader.dataset.metainfo['classes'], videos)
    codes = {'public code': partial(train_public, args, folder, videos), 'ours': partial(train_ours, config)}
    compare_trainings(codes, args.seeds, args.scratch, config)


if __name__ == '__main__':
    main()
