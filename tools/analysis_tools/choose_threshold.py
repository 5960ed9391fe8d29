"""Choose the score thresholds of a checkpoint by the points of held-out videos, and store them beside the checkpoint.

There is a threshold for each class, and one for all classes together: the score with the best F1. If a class has few
points, its threshold is drawn towards that of all classes.

For F1, a detection finds a labelled action if it has the class of the action, and covers its point and no other point
of this class. For each action, the detection of highest score that finds it is a true positive; all other detections
are false positives.

If train_dataloader.dataset.fold is set, the held-out videos are those that it leaves out of the training. If not, they
are the videos of val_dataloader. No ground-truth segment is read.

With --for, the thresholds are stored beside a second checkpoint, which was trained on all videos. Since the same score
may mean different things in two models, both models detect actions in the training videos of the first one. If the
second model finds fewer points of a class there, the threshold of this class is lowered until it finds as many.

tools/demo.py, TALInferencer, plot_timeline.py and report.py use the stored thresholds, unless you give a score
threshold.

Example:
    python tools/analysis_tools/choose_threshold.py configs/mine/fsptal_mine.py work_dirs/fsptal_mine/epoch_200.pth
"""

import argparse
import runpy
import sys
from pathlib import Path


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file of the training, or name of a config in model-index.yml')
    parser.add_argument('checkpoint', help='local checkpoint of this model')
    parser.add_argument(
        '--for',
        dest='other',
        metavar='CHECKPOINT',
        help='store the thresholds beside this checkpoint instead, which was trained on all videos',
    )
    parser.add_argument('--cfg-options', nargs='+', action='extend', help='as in test.py, e.g. data_root=DIR')
    return parser.parse_args(argv)


if __name__ == '__main__':  # checks the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](
        __file__, parse_args, config='a config file', checkpoint='a local checkpoint', other='a local checkpoint'
    )

from mmengine.logging import MMLogger

from fsptal_mm.apis.model_loading import find_config
from fsptal_mm.apis.operating_points import carry_over, choose_for_checkpoint
from fsptal_mm.evaluation.operating_point import write_operating_point
from fsptal_mm.utils.configs import merge_options, read_options
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.wording import counted


def report(chosen):
    """Describe an operating point as text: a line for all classes together, then one for each class."""
    lines = [f'all classes: {chosen.overall}, in {counted(chosen.num_videos, "held-out video")}']
    return '\n'.join(lines + [f'  {name}: {threshold}' for name, threshold in chosen.by_class.items()])


def main(argv=None):
    args = parse_args(argv)
    try:
        config = find_config(args.config)
        merge_options(config, read_options(args.cfg_options))
        MMLogger.get_current_instance().setLevel('WARNING')
        chosen = choose_for_checkpoint(config, args.checkpoint)
        kept = carry_over(config, chosen, args.checkpoint, args.other) if args.other else chosen
        path = write_operating_point(args.other or args.checkpoint, kept)
    except InputError as error:
        sys.exit(f'error: {error}')
    print(report(chosen), f'{path} written', sep='\n')
    if args.other:
        for name, threshold in kept.by_class.items():
            if threshold.score < chosen.by_class[name].score:
                lowered = f'{name}: lowered to {threshold.score:.3f}'
                print(f'{lowered}, so that both models find equally many points in the training videos')
        print(f'precision and recall are those of {args.checkpoint}, not of {args.other}')


if __name__ == '__main__':
    main()
