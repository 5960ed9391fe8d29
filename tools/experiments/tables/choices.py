"""Tables about choices that the paper leaves open. All tables but ``trunk`` measure on held-out training videos."""

from .options import (
    BACKGROUND_SEGMENTS,
    BRANCH,
    CLASS_AWARE,
    COSINE,
    EMBED_CHANNELS,
    KERNEL,
    LAMBDA_3,
    MASK,
    MASKED_TAPS,
    MINED_ACTIONS,
    MINED_PER_EPOCH,
    STAGE,
    STAGE_1,
    WITHOUT_D,
)
from .table import FORMS, FSPTAL, LACP, REAL_DATA, REFINED, Row, Table

TABLES = {
    'choices': Table(
        'Choices that the paper leaves open, and variants of the modules, on held-out training videos',
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
        'Trunks of 3 and of 7 snippets, and the classifier by cosine, with both FS-PTAL and LACP',
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
    'second_stage': Table(
        'Choices of the second stage, on held-out training videos',
        rows=(
            Row('as configured', REFINED),
            *(
                Row(label, REFINED, {f'custom_hooks.1.pseudo_segments.{rule}': value})
                for label, rule, value in (
                    ('best proposals, no change points', 'change_points', 0.0),
                    ('half of the change points', 'change_points', 0.5),
                    ('no blend with median lengths', 'blend', 0.0),
                    ('lengths not widened', 'widen', 1.0),
                    ('lengths not narrowed', 'narrow_snippets', 0.0),
                    ('no shift to points', 'point_spread', None),
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
}
