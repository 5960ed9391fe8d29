"""The tables that ablation.py can run: what is trained, and what the paper publishes for it.

Figures are average mAP in percent, over tIoU 0.1:0.1:0.7 unless said otherwise.
"""

from dataclasses import dataclass, field

# Forms of FS-PTAL: the configs' names up to that of the data set.
FORMS = {'tuned': 'configs/fsptal_tuned/fsptal-tuned', 'paper': 'configs/fsptal/fsptal'}
FSPTAL = '{fsptal}_{data}.py'  # in the form that the user asks for
BASE = 'configs/base/base_{data}.py'
LACP = 'configs/lacp/lacp_{data}.py'

# Module A: the third step of the training pipeline, ExtendPointLabels. Weights of 1 are exactly the identity.
TAU_1 = 'train_dataloader.dataset.pipeline.2.label_weight'
TAU_2 = 'train_dataloader.dataset.pipeline.2.neighbour_weight'
# Module B, Appendix B.
GAMMA_BACKGROUND = 'model.head.miner.background_threshold'
GAMMA_ACTION = 'model.head.miner.action_threshold'
BACKGROUND_MARGIN = 'model.head.background_margin'
# Module C, Sec. 3.4.
ORIGINAL_OIC = 'model.head.searcher.original'
BACKGROUND_SEGMENTS = 'model.head.searcher.background_segments'
# Module D, Sec. 3.5.
PSI_SAME = 'model.head.separation_loss.psi_same'
PSI_DIFF = 'model.head.separation_loss.psi_diff'
WITHOUT_D = {'model.head.separation_loss': None, 'model.embedding.type': 'SnippetEmbedding'}
BRANCH = {
    'model.head.separation._delete_': True,  # None in the paper's form
    'model.head.separation.type': 'SeparationBranch',
    'model.embedding.type': 'SnippetEmbedding',
}
MASK = 'model.embedding.mask'
MASKED_TAPS = 'model.embedding.masked_taps'
EMBED_CHANNELS = 'model.embedding.embed_channels'
# Settings that the paper leaves open, or that were tried beside its own.
STAGE = 'train_dataloader.dataset.pipeline.2.stage'
MINED_ACTIONS = 'model.head.mined_actions'
LAMBDA_3 = 'model.head.score_loss.loss_weight'
KERNEL = 'model.embedding.kernel_size'
COSINE = 'model.head.cosine'
CLASS_AWARE = 'model.head.separation_loss.class_aware'
MINED_PER_EPOCH = {'custom_hooks.0.live': False, 'custom_hooks.0.interval': 1}


@dataclass(frozen=True)
class Row:
    """One experiment, trained with several seeds.

    Attributes:
        label: First column.
        config: Path from the repository's root; ``{data}`` stands for the name of the data set, ``{fsptal}``
            for one of ``FORMS``.
        options: What it changes, from dotted key to value, as in ``--cfg-options``.
        published: Figures in percent under the name of what they were measured on.
        absent: What the table says where a data set has no such config; ``None`` makes that an error.
        source: Label of the row whose run of the same seed this one builds on; in ``options``, ``{source}`` stands for
            the folder of that run, and ``{run}`` for this one's.
        trains: Whether to train; else the last checkpoint of ``source`` is tested with this row's config and options.
        pseudo_segments: Write ``{run}/pseudo_segments.json`` with the source's model before training.
        supervision: What training knows, where the config cannot tell.
    """

    label: str
    config: str = FSPTAL
    options: dict = field(default_factory=dict)
    published: dict = field(default_factory=dict)
    absent: str | None = None
    source: str | None = None
    pseudo_segments: bool = False
    trains: bool = True
    supervision: str | None = None


@dataclass(frozen=True)
class Table:
    """Rows, and how to run them.

    Attributes:
        title: What the table shows.
        rows: From top to bottom.
        reference: Label of the row that all others are compared with, seed by seed.
        source: Where the published figures come from; empty where there are none.
        data: Data sets unless the user names others.
        seeds: Number of seeds on data sets outside ``REAL_DATA``.
        real_seeds: Number of seeds on those in ``REAL_DATA``.
    """

    title: str
    rows: tuple
    reference: str
    source: str = ''
    data: tuple = ('synthetic',)
    seeds: int = 3
    real_seeds: int = 5

    def default_seeds(self, data):
        """Seeds on a data set, from 0."""
        return list(range(self.real_seeds if data in REAL_DATA else self.seeds))


REAL_DATA = ('spatialcnn_gtea', 'acc_50salads')


def _on_thumos(figure):
    return {'THUMOS14 I3D': figure}


def _grid(title, keys, points, source):
    """Table over pairs of settings, one seed each, compared with the first.

    Args:
        title, source: As in :class:`Table`.
        keys (dict): The two settings, from the paper's name to the dotted key.
        points (tuple): ``(first, second, published)`` each; None where the paper has no figure.
    """
    rows = []
    for *pair, figure in points:
        label = ', '.join(f'{name} {value}' for name, value in zip(keys, pair))
        published = {} if figure is None else _on_thumos(figure)
        rows.append(Row(label, options=dict(zip(keys.values(), pair)), published=published))
    return Table(title, tuple(rows), rows[0].label, source, seeds=1, real_seeds=1)


# What compare.py runs: mmaction2's BMN labelled by the classifier of FS-PTAL, and localizers on segments that it found.
CLASS_SCORES = {'test_evaluator.class_scores': '{source}/results.json'}
PSEUDO_FILE = {'train_dataloader.dataset.ann_file': '{run}/pseudo_segments.json'}
SUPERVISED = 'configs/base/supervised_{data}.py'
BMN = 'configs/bmn/bmn_{data}.py'

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

REFINED = 'configs/fsptal_refined/fsptal-refined_{data}.py'
STAGE_1 = {'model.refine': False}
SOFT_NMS = {
    'model.head.proposals.nms._delete_': True,
    'model.head.proposals.nms.type': 'soft_nms',
    'model.head.proposals.nms.sigma': 0.3,
    'model.head.proposals.nms.max_candidates': 400,
}


def _two_stages(method, config):
    """A method with the second stage, and what stage 1 alone gives with the same checkpoints."""
    return (
        Row(f'{method} refined', config),
        Row(f'{method}, stage 1 of these', config, STAGE_1, source=f'{method} refined', trains=False),
        Row(f'{method}, stage 1 with soft-NMS', config, STAGE_1 | SOFT_NMS, source=f'{method} refined', trains=False),
    )


TABLES = {
    'refinement': Table(
        'The second stage behind FS-PTAL tuned, LACP and the base model, and supervised references',
        rows=(
            *_two_stages('FS-PTAL', REFINED),
            *_two_stages('LACP', 'configs/lacp/lacp-refined_{data}.py'),
            *_two_stages('base', 'configs/base/base-refined_{data}.py'),
            Row(
                'second stage on ground-truth segments',
                REFINED,
                {'custom_hooks.1.supervision': 'segments'},
                supervision='segments',
            ),
        ),
        reference='FS-PTAL, stage 1 of these',
        data=('spatialcnn_gtea', 'acc_50salads', 'thumos14shaped', 'synthetic'),
    ),
    'second_stage': Table(
        'Choices of the second stage, on held-out training videos',
        rows=(
            Row('as configured', REFINED),
            *(
                Row(label, REFINED, {f'custom_hooks.1.pseudo_segments.{rule}': value})
                for label, rule, value in (
                    ('best proposals, no change points', 'change_points', 0.0),
                    ('half of the change points', 'change_points', 0.5),
                    ('no blend with usual lengths', 'blend', 0.0),
                    ('no cuts between points', 'cut', False),
                    ('confidence weights', 'confidence', True),
                )
            ),
            Row('ground-truth segments', REFINED, {'custom_hooks.1.supervision': 'segments'}, supervision='segments'),
            *(
                Row(label, REFINED, {f'model.refinement.{key}': value}, source='as configured', trains=False)
                for label, key, value in (
                    ('without the score of stage 1', 'stage1_power', 0.0),
                    ('score of stage 1 to the power .5', 'stage1_power', 0.5),
                    ('score of stage 1 to the power 1', 'stage1_power', 1.0),
                    ('refined half-way', 'refined_share', 0.5),
                    ('soft-NMS with sigma .5', 'nms.sigma', 0.5),
                )
            ),
            Row('stage 1 alone', REFINED, STAGE_1, source='as configured', trains=False),
        ),
        reference='as configured',
        data=('acc_50salads_fold',),
        seeds=1,
    ),
    'comparison': Table(
        "Methods on equal terms: proposals and suppression are the same, and the trunk but that of the paper's form",
        rows=(
            Row(
                "FS-PTAL (paper's form)",
                FORMS['paper'] + '_{data}.py',
                published={'THUMOS14 I3D': 56.7, 'GTEA I3D': 44.3},
            ),
            Row('FS-PTAL tuned', FORMS['tuned'] + '_{data}.py'),
            Row('LACP', LACP, published={'THUMOS14 I3D': 52.8, 'GTEA I3D': 43.5}),
            Row('MIL', 'configs/mil/mil_{data}.py'),
            Row('base', BASE),
        ),
        reference='LACP',
        source='the paper, Tables 5 and 6 (means of rows); with I3D features, so not comparable with ours',
        data=('spatialcnn_gtea', 'acc_50salads', 'thumos14shaped', 'synthetic'),
    ),
    'modules': Table(
        'What each module brings (Table 2)',
        rows=(
            Row('full', published=_on_thumos(56.7)),
            Row('without A, label extension', options={TAU_1: 1, TAU_2: 1}, published=_on_thumos(54.8)),
            Row(
                'without B, mining',
                options={GAMMA_BACKGROUND: None, GAMMA_ACTION: None, BACKGROUND_MARGIN: None},
                published=_on_thumos(49.3),
            ),
            Row('without C, score contrast', options={'model.head.score_loss': None}, published=_on_thumos(52.5)),
            Row('without D, feature separation', options=WITHOUT_D, published=_on_thumos(51.6)),
            Row('without labels away from segments', options={BACKGROUND_MARGIN: None}),
            Row('base model, as it is configured', BASE),
        ),
        reference='full',
        source='the paper, Table 2',
    ),
    'oic': Table(
        'Outer ranges of the score contrast (Table 7), and background segments scored or not',
        rows=(
            Row(
                'optimised',
                options={ORIGINAL_OIC: False, BACKGROUND_SEGMENTS: False},
                published=_on_thumos(56.7),
            ),
            Row(
                'original',
                options={ORIGINAL_OIC: True, BACKGROUND_SEGMENTS: False},
                published=_on_thumos(55.8),
            ),
            Row('optimised, background segments too', options={ORIGINAL_OIC: False, BACKGROUND_SEGMENTS: True}),
            Row('original, background segments too', options={ORIGINAL_OIC: True, BACKGROUND_SEGMENTS: True}),
        ),
        reference='optimised',
        source='the paper, Table 7',
    ),
    'separation_form': Table(
        'Forms of the feature separation (module D), on held-out training videos',
        rows=tuple(
            Row(label, FORMS['paper'] + '_{data}.py', options)
            for label, options in (
                ('affinity convolution', {}),
                ('without D', WITHOUT_D),
                ('branch with global attention', BRANCH),
                ('mask off, E learnt beside the trunk', {MASK: False}),
                ('negative cosines as 0', {'model.embedding.clamp_negative': True}),
                ('no gradient through the mask', {'model.embedding.mask_gradient': False}),
                ('E of 16 dimensions', {EMBED_CHANNELS: 16}),
                ('E of 128 dimensions', {EMBED_CHANNELS: 128}),
                ('Eq. 13 anchored at the background, too', {'model.head.separation_loss.anchor_background': True}),
                ('any two actions alike, as printed', {CLASS_AWARE: False}),
                ('trunk of 7 snippets', {KERNEL: 7}),
                ('trunk of 7, middle three taps masked', {KERNEL: 7, MASKED_TAPS: 3}),
                ('trunk of 7, mask off', {KERNEL: 7, MASK: False}),
                ('trunk of 7, branch with global attention', BRANCH | {KERNEL: 7}),
                ('trunk of 7, without D', WITHOUT_D | {KERNEL: 7}),
            )
        ),
        reference='affinity convolution',
        data=('acc_50salads_fold',),
        seeds=1,
        real_seeds=1,
    ),
    'labels': Table(
        'Kinds of point labels (Table 6)',
        rows=(
            Row('automatic points', published=_on_thumos(56.7)),
            Row(
                'manual points',
                '{fsptal}_{data}_manual.py',
                published=_on_thumos(55.8),
                absent='this set has no manual points',
            ),
        ),
        reference='automatic points',
        source='the paper, Table 6 (for manual points the mean of its row)',
    ),
    'choices': Table(
        'What method and paper leave open, and variants of the modules, on held-out training videos',
        rows=(
            Row('as configured'),
            Row('A: features resampled, as in the paper', options={STAGE: 'features'}),
            Row('B: mined actions are labels, too, as in the paper', options={MINED_ACTIONS: 'labels'}),
            Row('B: labels mined once per epoch', options=MINED_PER_EPOCH),
            Row('C: weight 1, as in the paper', options={LAMBDA_3: 1.0}),
            Row('C: weight 6', options={LAMBDA_3: 6.0}),
            Row('C: no background segments, as in the paper', options={BACKGROUND_SEGMENTS: False}),
            Row('D: any two actions alike, as in the paper', options={CLASS_AWARE: False}),
            Row(
                'all of these as in the paper',
                options={
                    STAGE: 'features',
                    MINED_ACTIONS: 'labels',
                    LAMBDA_3: 1.0,
                    BACKGROUND_SEGMENTS: False,
                    CLASS_AWARE: False,
                },
            ),
            Row(
                'with the foreground branch, as in the paper',
                options={'model.head.foreground.type': 'ForegroundBranch'},
            ),
            Row('absent classes pooled by the mean', options={'model.head.video_loss.absent_classes': 'mean'}),
            Row('input dropout of 0.5', options={'model.embedding.input_dropout': 0.5}),
            Row('D: embedding of 256 dimensions', options={'model.head.separation.embed_channels': 256}),
            Row('dropout of 0.5 before the classifier', options={'model.head.dropout': 0.5}),
            Row('trunk that sees 3 snippets, as in the paper', options={KERNEL: 3}),
            Row('classifier of F itself, as in the paper', options={COSINE: False}),
        ),
        reference='as configured',
        data=('acc_50salads_fold',),
    ),
    'trunk': Table(
        'Trunks of 3 and of 7 snippets, and the classifier by cosine with both methods',
        rows=tuple(
            Row(f'{method}, {kernel} snippets{note}', config, {KERNEL: kernel, COSINE: cosine})
            for method, config in (('FS-PTAL', FSPTAL), ('LACP', LACP))
            for kernel in (3, 7)
            for cosine, note in ((False, ''), (True, ', cosine'))
        ),
        reference='LACP, 3 snippets',
        data=REAL_DATA,
        real_seeds=3,
    ),
    'label_extension': _grid(
        'Sampling weights of the label extension (Table 3)',
        {'tau_1': TAU_1, 'tau_2': TAU_2},
        ((2.5, 1.67, 56.73), (2.5, 2, 56.49), (2.5, 1.5, 56.62), (2, 1.67, 56.22), (3, 1.67, 56.27)),
        'the paper, Table 3',
    ),
    'thresholds': _grid(
        'Thresholds of the mining (Appendix B); the paper states one pair and no grid',
        {'gamma_bkg': GAMMA_BACKGROUND, 'gamma_act': GAMMA_ACTION},
        (
            (0.85, 0.25, 56.73),
            (0.75, 0.25, None),
            (0.8, 0.25, None),
            (0.9, 0.25, None),
            (0.95, 0.25, None),
            (0.85, 0.1, None),
            (0.85, 0.15, None),
            (0.85, 0.35, None),
            (0.85, 0.5, None),
        ),
        'the paper, Table 3 (its best row)',
    ),
    'separation': _grid(
        'Thresholds of the feature separation (Table 3)',
        {'psi_same': PSI_SAME, 'psi_diff': PSI_DIFF},
        (
            (0.95, 0.1, 56.73),
            (0.75, 0.1, 55.67),
            (0.8, 0.1, 56.02),
            (0.85, 0.1, 56.38),
            (0.9, 0.1, 56.09),
            (0.95, 0.05, 56.64),
            (0.95, 0.15, 56.27),
            (0.95, 0.2, 55.81),
            (0.95, 0.25, 55.52),
        ),
        'the paper, Table 3',
    ),
}
