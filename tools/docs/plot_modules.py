"""Draw what modules A-D of FS-PTAL do to one training video: the pictures of docs/guides/modules.md.

Example (`make pictures` does all of it):
    python tools/docs/plot_modules.py configs/fsptal_tuned/fsptal-tuned_synthetic.py \\
        work_dirs/pictures/fsptal/epoch_25.pth work_dirs/pictures/fsptal/epoch_75.pth --out-dir docs/images

The first checkpoint is of early training, the second of the end of the training. Modules A, B and C are drawn with the
first, module D with both. Ground truth is drawn for comparison only.
"""

import argparse
import sys
from pathlib import Path

import module_figures
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from fsptal_mm.apis.model_loading import find_config, load_local_checkpoint
from fsptal_mm.engine.timeline_samples import item_with_ground_truth, video_indices
from fsptal_mm.utils.configs import naming_types
from fsptal_mm.utils.errors import InputError
from fsptal_mm.visualization import save_figure


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('early', help='checkpoint of early training')
    parser.add_argument('late', help='checkpoint of the end of the training')
    parser.add_argument('--video', default='train_022', help='id of a training video; default: %(default)s')
    parser.add_argument('--out-dir', type=Path, default='docs/images', help='default: %(default)s')
    return parser.parse_args(argv)


@torch.no_grad()
def run_modules(config, checkpoint, video_id):
    """Run the modules on one training video, without label extension.

    Returns:
        module_figures.ModuleStates: Results of the modules.
    """
    with DefaultScope.overwrite_default_scope('mmaction'):
        # Without label extension, so that all pictures have the same time axis. Module A has a picture of its own.
        pipeline = [step for step in config.train_pipeline if step['type'] != 'ExtendPointLabels']
        dataset = DATASETS.build(config.train_dataloader.dataset | dict(pipeline=pipeline))
        model = MODELS.build(config.model).eval()
    load_local_checkpoint(model, checkpoint, dataset)
    (index,) = video_indices(dataset, [video_id], '--video')
    data = pseudo_collate([item_with_ground_truth(dataset, index)])
    (sample,) = data['data_samples']
    batch = model.embed(model.data_preprocessor(data)['inputs'], [sample])
    given, mined, segments = model.head.mine(batch, [sample])
    return module_figures.ModuleStates(
        classes=dataset.metainfo['classes'],
        sample=sample,
        scores=model.head.clean_scores(batch),
        given=given,
        mined=mined,
        segments=segments,
        embedding=model.head.separation_embedding(batch).features[batch.rows[0]],
    )


@naming_types()
def draw(args):
    """Write the pictures that the command line asks for."""
    config = find_config(args.config)
    head = config.model.get('head', {})
    extension = next((step for step in config.train_pipeline if step['type'] == 'ExtendPointLabels'), None)
    if not (extension and head.get('searcher') and head.get('separation_loss')):
        raise InputError('modules A to D of FS-PTAL: ExtendPointLabels and FSPTALHead', file=args.config)
    early, late = (run_modules(config, path, args.video) for path in (args.early, args.late))
    titles = [Path(path).stem.replace('_', ' ') for path in (args.early, args.late)]
    figures = {
        'label_extension': module_figures.draw_extension(early, extension),
        'mining': module_figures.draw_mining(early, head.miner),
        'score_contrast': module_figures.draw_contrast(early, head.searcher.outer_ratio),
        'feature_separation': module_figures.draw_separation(early, late, titles, head.separation_loss),
    }
    for name, figure in figures.items():
        print(save_figure(figure, args.out_dir / f'{name}.png'))


def main(argv=None):
    args = parse_args(argv)
    try:
        draw(args)
    except InputError as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
