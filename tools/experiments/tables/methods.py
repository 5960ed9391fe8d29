"""Tables that compare methods.

Published figures are mAP in percent, averaged over the tIoUs 0.1, 0.2, ... 0.7; those of "@0.3-0.7" over 0.3, 0.4, ...
0.7.
"""

from .options import STAGE_1
from .table import BASE, BMN, FORMS, LACP, REFINED, SUPERVISED, Row, Table

# Options of rows that build on a run of FS-PTAL tuned: BMN's proposals get their classes from the class scores in its
# results file, and pseudo segments are made from its detections.
CLASS_SCORES = {'test_evaluator.class_scores': '{source}/results.json'}
PSEUDO_FILE = {'train_dataloader.dataset.ann_file': '{run}/pseudo_segments.json'}

ALONGSIDE = Table(
    "Beside mmaction2's BMN, and fully supervised localizers trained on pseudo segments",
    rows=(
        Row('FS-PTAL tuned'),
        Row('LACP', LACP),
        Row('MIL', 'configs/mil/mil_{data}.py'),
        Row('BMN', BMN, CLASS_SCORES, source='FS-PTAL tuned', supervision='segments (classes of the video: points)'),
        Row(
            'BMN on pseudo segments',
            BMN,
            CLASS_SCORES | PSEUDO_FILE,
            source='FS-PTAL tuned',
            pseudo_segments=True,
            supervision='points',
        ),
        Row('snippet classifier', SUPERVISED),
        Row(
            'snippet classifier on pseudo segments',
            SUPERVISED,
            PSEUDO_FILE,
            source='FS-PTAL tuned',
            pseudo_segments=True,
            supervision='points',
        ),
    ),
    reference='FS-PTAL tuned',
    seeds=1,
    real_seeds=1,
)

SOFT_NMS = {
    'model.head.proposals.nms._delete_': True,
    'model.head.proposals.nms.type': 'soft_nms',
    'model.head.proposals.nms.sigma': 0.3,
}


def _two_stages(method, config):
    """Rows of a method with the second stage, and of stage 1 alone, tested from the same checkpoints."""
    return (
        Row(f'{method} refined', config),
        Row(f'{method}, stage 1 of these', config, STAGE_1, source=f'{method} refined', trains=False),
        Row(f'{method}, stage 1 with soft-NMS', config, STAGE_1 | SOFT_NMS, source=f'{method} refined', trains=False),
    )


def _published(thumos=None, thumos_from_3=None, gtea=None):
    """Published figures by the names of their columns."""
    names = 'THUMOS14 I3D', 'THUMOS14 I3D, @0.3-0.7', 'GTEA I3D'
    return {name: figure for name, figure in zip(names, (thumos, thumos_from_3, gtea)) if figure is not None}


TABLES = {
    'comparison': Table(
        "Methods on equal terms: the same proposals, NMS and trunk (only the paper's form has another trunk)",
        rows=(
            Row('FS-PTAL tuned', FORMS['tuned'] + '_{data}.py'),
            Row(
                "FS-PTAL (paper's form)",
                FORMS['paper'] + '_{data}.py',
                published=_published(56.7, 48.7, 44.3),
                seeds=1,
            ),
            Row('LACP', LACP, published=_published(52.8, 44.5, 43.5)),
            Row('MIL', 'configs/mil/mil_{data}.py'),
            Row('base', BASE),
        ),
        reference='FS-PTAL tuned',
        source='the paper, Tables 5 and 6 (means of rows); with I3D features, so not comparable with ours; '
        'test sets and protocols: docs/guides/which_method.md',
        data=('spatialcnn_gtea', 'acc_50salads', 'thumos14shaped', 'synthetic'),
    ),
    'literature': Table(
        'Other methods of the literature on the same trunk, with NMS of the same threshold',
        rows=(
            Row('FS-PTAL tuned', FORMS['tuned'] + '_{data}.py'),
            Row('SF-Net', 'configs/sfnet/sfnet_{data}.py', published=_published(41.2, 31.6, 31.0)),
            Row('HR-Pro, stage 1', 'configs/hrpro/hrpro_{data}.py', published=_published(56.5, 47.4)),
            Row('BackTAL', 'configs/backtal/backtal_{data}.py', published=_published(thumos_from_3=35.4)),
            Row(
                'BackTAL on points',
                'configs/backtal/backtal_{data}.py',
                {'model.head.labels': 'points', 'train_dataloader.dataset.supervision': 'points'},
            ),
            Row(
                'DELU',
                'configs/delu/delu_{data}.py',
                published=_published(46.4, 37.4),
                absent='this dataset has only one feature stream',
                supervision='video labels',
            ),
            Row('ASM-Loc, base model', 'configs/asmloc/asmloc_{data}.py'),
            Row('ASM-Loc', 'configs/asmloc/asmloc-full_{data}.py', published=_published(45.1, 35.8)),
        ),
        reference='FS-PTAL tuned',
        source='the papers, for HR-Pro the log of its public code; with I3D features, so not comparable with ours; '
        'test sets and protocols: docs/guides/which_method.md',
        data=('spatialcnn_gtea', 'acc_50salads', 'thumos14shaped', 'synthetic'),
        real_seeds=3,
    ),
    'refinement': Table(
        'The second stage behind FS-PTAL tuned, LACP, the base model, SF-Net and HR-Pro, and a supervised reference',
        rows=(
            *_two_stages('FS-PTAL', REFINED),
            *_two_stages('LACP', 'configs/lacp/lacp-refined_{data}.py'),
            *_two_stages('base', 'configs/base/base-refined_{data}.py'),
            *_two_stages('SF-Net', 'configs/sfnet/sfnet-refined_{data}.py'),
            *_two_stages('HR-Pro', 'configs/hrpro/hrpro-refined_{data}.py'),
            Row('HR-Pro, both of its stages', 'configs/hrpro/hrpro-full_{data}.py', published=_published(60.4, 51.4)),
            Row(
                'second stage on ground-truth segments',
                REFINED,
                {'custom_hooks.1.supervision': 'segments'},
                supervision='segments',
            ),
        ),
        reference='FS-PTAL, stage 1 of these',
        source='README of the public code of HR-Pro; with I3D features, so not comparable with ours; '
        'test sets and protocols: docs/guides/which_method.md',
        data=('spatialcnn_gtea', 'acc_50salads', 'thumos14shaped', 'synthetic'),
    ),
}
