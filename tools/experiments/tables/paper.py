"""Tables of the paper's own ablations. Published figures are mAP in percent, averaged over the tIoUs 0.1 to 0.7."""

from .options import (
    BACKGROUND_MARGIN,
    BACKGROUND_SEGMENTS,
    GAMMA_ACTION,
    GAMMA_BACKGROUND,
    ORIGINAL_OIC,
    PSI_DIFF,
    PSI_SAME,
    TAU_1,
    TAU_2,
    WITHOUT_D,
)
from .table import BASE, Row, Table


def _on_thumos(figure):
    return {'THUMOS14 I3D': figure}


def _grid(title, keys, points, source):
    """Make a table over pairs of values of two settings, with one seed; every pair is compared with the first one.

    Args:
        title, source: As in :class:`Table`.
        keys (dict): The two settings, from the paper's name to the dotted key.
        points (tuple): Triples of the values of both settings and the published figure, ``None`` if the paper has none.
    """
    rows = []
    for *pair, figure in points:
        label = ', '.join(f'{name} {value}' for name, value in zip(keys, pair))
        published = {} if figure is None else _on_thumos(figure)
        rows.append(Row(label, options=dict(zip(keys.values(), pair)), published=published))
    return Table(title, tuple(rows), rows[0].label, source, seeds=1, real_seeds=1)


TABLES = {
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
    'labels': Table(
        'Kinds of point labels (Table 6)',
        rows=(
            Row('automatic points', published=_on_thumos(56.7)),
            Row(
                'manual points',
                '{fsptal}_{data}_manual.py',
                published=_on_thumos(55.8),
                absent='this dataset has no manual points',
            ),
        ),
        reference='automatic points',
        source='the paper, Table 6 (for manual points the mean of its row)',
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
