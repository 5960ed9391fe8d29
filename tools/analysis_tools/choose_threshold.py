"""Choose the score threshold of a checkpoint by the points of held-out videos, and keep it beside the checkpoint.

Each class gets the score of the best F1; one with few points takes most of it from all classes together. A labelled
action is found once; every other detection is a false alarm. The held-out videos are those that
train_dataloader.dataset.fold keeps from the training, else those of val_dataloader. No ground-truth segment is read.

tools/demo.py, TALInferencer, plot_timeline.py and report.py then use it, unless you give a score threshold.

Example:
    python tools/analysis_tools/choose_threshold.py configs/mine/fsptal_mine.py work_dirs/fsptal_mine/epoch_200.pth
"""

import argparse
import runpy
import sys
from pathlib import Path

if __name__ == '__main__':  # before imports that take seconds, or fail
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](__file__)

from mmengine.logging import MMLogger

from fsptal_mm.apis.model_loading import find_config
from fsptal_mm.apis.operating_points import choose_for_checkpoint
from fsptal_mm.evaluation.operating_point import write_operating_point
from fsptal_mm.utils.configs import OptionsAction, merge_options
from fsptal_mm.utils.errors import InputError


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file of the training, or name of a config in model-index.yml')
    parser.add_argument('checkpoint', help='local checkpoint of this model')
    parser.add_argument(
        '--for', dest='other', metavar='CHECKPOINT', help='keep it for this checkpoint instead, trained on all videos'
    )
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction, help='as in test.py, e.g. data_root=DIR')
    return parser.parse_args(argv)


def report(chosen):
    """Describe an operating point, one line for each class."""
    lines = [f'all classes: {chosen.overall}, in {chosen.num_videos} held-out videos']
    return '\n'.join(lines + [f'  {name}: {threshold}' for name, threshold in chosen.by_class.items()])


def main(argv=None):
    args = parse_args(argv)
    try:
        config = find_config(args.config)
        merge_options(config, args.cfg_options)
        MMLogger.get_current_instance().setLevel('WARNING')
        chosen = choose_for_checkpoint(config, args.checkpoint)
        path = write_operating_point(args.other or args.checkpoint, chosen)
    except InputError as error:
        sys.exit(f'error: {error}')
    print(report(chosen), f'{path} written', sep='\n')


if __name__ == '__main__':
    main()
