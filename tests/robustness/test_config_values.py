"""Values of configs: what cannot be used is an InputError that names the argument, before anything is computed."""

import numpy as np
import pytest
import torch
from bounded import outcome, refused
from hypothesis import given
from hypothesis import strategies as st
from mmaction.registry import DATASETS, HOOKS, METRICS, MODELS, TASK_UTILS, TRANSFORMS
from mmaction.structures import ActionDataSample
from mmengine.registry import DefaultScope
from nasty import NASTY_VALUES, spoilt, values

from fsptal_mm.datasets.folds import Fold
from fsptal_mm.datasets.windows import Windows
from fsptal_mm.evaluation.functional import Protocol
from fsptal_mm.structures import SnippetGrid
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.writing import write_json

# Registry, config, and the arguments that numbers or words are given for.
PARTS = {
    'PseudoLabelMiner': (TASK_UTILS, {}, ['background_threshold', 'action_threshold']),
    'LACPSeedMiner': (TASK_UTILS, {}, ['background_threshold', 'action_threshold']),
    'SegmentSearcher': (TASK_UTILS, {}, ['outer_ratio', 'max_combinations', 'beam_width']),
    'ProposalGenerator': (
        TASK_UTILS,
        {},
        [
            'video_threshold',
            'upsampling',
            'score_levels',
            'background_levels',
            'outer_ratio',
            'video_weight',
            'max_proposals',
        ],
    ),
    'VideoLevelLoss': (MODELS, {}, ['topk_divisor', 'absent_classes', 'reduction', 'loss_weight']),
    'PointFocalLoss': (MODELS, {}, ['exponent', 'background_weight', 'loss_weight']),
    'LACPPointLoss': (MODELS, {}, ['exponent', 'action_weight', 'background_weight']),
    'OICLoss': (MODELS, {}, ['loss_weight']),
    'FeatureSeparationLoss': (MODELS, {}, ['psi_same', 'psi_diff', 'class_aware', 'anchor_background', 'loss_weight']),
    'SeparationBranch': (MODELS, dict(in_channels=8), ['in_channels', 'embed_channels', 'temperature', 'kernel_size']),
    'ForegroundBranch': (MODELS, dict(in_channels=8), ['in_channels', 'scale']),
    'SnippetEmbedding': (MODELS, dict(in_channels=8), ['in_channels', 'out_channels', 'kernel_size', 'input_dropout']),
    'AffinityEmbedding': (
        MODELS,
        dict(in_channels=8),
        [
            'in_channels',
            'out_channels',
            'kernel_size',
            'hidden_channels',
            'embed_channels',
            'mask',
            'masked_taps',
            'clamp_negative',
            'mask_gradient',
            'input_dropout',
        ],
    ),
    'TransformerEmbedding': (
        MODELS,
        dict(in_channels=8),
        ['in_channels', 'num_layers', 'num_heads', 'window', 'mlp_ratio', 'kernel_size', 'dropout', 'input_dropout'],
    ),
    'FSPTALHead': (
        MODELS,
        dict(num_classes=2, in_channels=8),
        ['num_classes', 'in_channels', 'dropout', 'topk_divisor', 'mined_actions', 'background_margin'],
    ),
    'LACPHead': (
        MODELS,
        dict(num_classes=2, in_channels=8),
        ['num_classes', 'in_channels', 'dropout', 'temperature', 'score_weight', 'feature_weight'],
    ),
    'LoadSnippetFeatures': (TRANSFORMS, {}, ['length_tolerance']),
    'ExtendPointLabels': (TRANSFORMS, {}, ['label_weight', 'neighbour_weight', 'stage']),
    'ResizeSnippets': (TRANSFORMS, dict(num_snippets=8), ['num_snippets']),
    'PseudoLabelMiningHook': (HOOKS, {}, ['begin', 'interval']),
    'TALMetric': (METRICS, {}, ['preset', 'tiou_thresholds', 'average_ranges', 'metrics', 'ambiguous']),
}
ARGUMENTS = [pytest.param(name, argument, id=f'{name}.{argument}') for name in PARTS for argument in PARTS[name][2]]
# A model of 10^8 channels is made as asked for: of sizes, only small ones are tried.
SIZES = {'in_channels', 'out_channels', 'embed_channels', 'kernel_size', 'num_classes', 'num_layers', 'num_heads'}
SIZES |= {'mlp_ratio', 'upsampling', 'hidden_channels'}
_MAX_SIZE = 64


def drawn_for(argument):
    """Values that an argument may be given."""
    nasty = st.sampled_from(NASTY_VALUES) | values
    if argument not in SIZES:
        return nasty
    return nasty.filter(lambda value: not isinstance(value, (int, float)) or not abs(value) > _MAX_SIZE)


def build(name, **arguments):
    registry, config, _ = PARTS[name]
    with DefaultScope.overwrite_default_scope('mmaction'):
        return registry.build(dict(type=name, **{**config, **arguments}))


@pytest.mark.parametrize('name', PARTS)
def test_the_defaults_are_fine(name):
    assert not isinstance(outcome(build, name), InputError)


@pytest.mark.parametrize('name, argument', ARGUMENTS)
@given(data=st.data())
def test_any_value(name, argument, data):
    built = outcome(build, name, **{argument: data.draw(drawn_for(argument))})
    if isinstance(built, InputError):
        assert argument in str(built) or 'kernel_size' in str(built) or 'channels' in str(built)


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -1, 'x', [1], None, True])
@pytest.mark.parametrize(
    'name, argument',
    [
        ('FSPTALHead', 'num_classes'),
        ('FSPTALHead', 'dropout'),
        ('SnippetEmbedding', 'in_channels'),
        ('SeparationBranch', 'temperature'),
        ('ProposalGenerator', 'outer_ratio'),
        ('PointFocalLoss', 'loss_weight'),
        ('ExtendPointLabels', 'label_weight'),
        ('SegmentSearcher', 'beam_width'),
        ('PseudoLabelMiningHook', 'interval'),
    ],
)
def test_what_is_no_such_number_is_refused(name, argument, value):
    refused(build, name, names=argument, **{argument: value})


FLAGS = {
    'PointTAL': (MODELS, ['checkpoint_clips']),
    'PointTALHead': (MODELS, ['cosine']),
    'FSPTALHead': (MODELS, ['cosine']),
    'FeatureSeparationLoss': (MODELS, ['class_aware']),
    'SegmentSearcher': (TASK_UTILS, ['original', 'background_segments']),
    'PseudoLabelMiningHook': (HOOKS, ['live', 'dump', 'analysis']),
    'PointTALDataset': (DATASETS, ['test_mode']),
    'TALMetric': (METRICS, ['per_class']),
}
FLAGGED = dict(
    PointTAL=dict(
        embedding=dict(type='SnippetEmbedding', in_channels=6), head=dict(type='MILHead', num_classes=2, in_channels=6)
    ),
    PointTALHead=dict(num_classes=2, in_channels=8),
    FSPTALHead=dict(num_classes=2, in_channels=8),
    PointTALDataset=dict(ann_file='none.json', data_prefix=dict(feature='features'), grid=dict(snippet_sec=1.0)),
)


@pytest.mark.parametrize('value', ['False', 'no', 1, None])
@pytest.mark.parametrize('name, flag', [(name, flag) for name, (_, flags) in FLAGS.items() for flag in flags])
def test_words_are_no_flags(name, flag, value):
    with DefaultScope.overwrite_default_scope('mmaction'), pytest.raises(InputError, match=f'{name}.{flag}: found'):
        FLAGS[name][0].build(dict(type=name, **FLAGGED.get(name, {}), **{flag: value}))


def test_a_foreground_branch_without_a_loss_is_refused():
    config = dict(type='LACPHead', num_classes=2, in_channels=8, foreground=dict(type='ForegroundBranch'))
    with pytest.raises(InputError, match=r'LACPHead\.foreground: found .*ForegroundBranch'):
        MODELS.build(config)


GRID = dict(fps=25.0, snippet_frames=16, stride_frames=8, offset_sec=0.1)
FOLD = dict(index=0, count=2, part='train', group='(.)', seed=0)


@given(data=st.data(), native=st.sampled_from([None, 25.0, 1e12]))
def test_grids(data, native):
    grid = data.draw(
        spoilt(data.draw(st.sampled_from([GRID, dict(snippet_sec=0.5), dict(GRID, fps='native')]))) | values
    )
    found = outcome(SnippetGrid.from_config, grid, native, 'v1', names='grid')
    if isinstance(found, SnippetGrid):
        assert 0 < found.snippet_sec < np.inf
        assert np.isfinite(found.offset_sec)
        index = found.to_snippet(np.array([0.0, 1e12]))
        assert index[0] <= index[1]  # no overflow


@given(data=st.data())
def test_folds(data):
    config = data.draw(spoilt(FOLD) | values)
    fold = outcome(Fold.from_config, config, names='fold')
    if isinstance(fold, Fold):
        kept = outcome(fold.select, [f'{number}a' for number in range(10)], names='fold')
        assert isinstance(kept, InputError) or set(kept) <= {f'{number}a' for number in range(10)}


@given(data=st.data())
def test_windows(data):
    outcome(Windows.from_config, data.draw(spoilt(dict(num_snippets=8, stride_snippets=4)) | values), names='windows')


@given(preset=values, thresholds=values, ranges=values)
def test_protocols(preset, thresholds, ranges):
    protocol = outcome(Protocol.from_config, preset, thresholds, ranges)
    if isinstance(protocol, Protocol):
        assert all(0 < threshold <= 1 for threshold in protocol.tiou_thresholds)


VIDEOS = dict(
    format='fsptal_mm',
    version=1,
    classes=['a', 'b'],
    videos={
        f'v{number}': dict(duration_sec=8.0, fps=25.0, points=[dict(time_sec=2.5, label='a')]) for number in range(3)
    },
)
DATASET = dict(
    ann_file='ann.json',
    data_prefix=dict(feature='features'),
    grid=dict(snippet_sec=1.0),
    suffix='.npy',
    split_file=None,
    subset=None,
    point_file=None,
    fps_file=None,
    annotator=None,
    seed=0,
    fold=None,
    windows=None,
    supervision='points',
    pointless='skip',
    classes=['a', 'b'],
)


def read_all(folder, **arguments):
    pipeline = ['LoadSnippetFeatures', 'PointsToSnippets', 'ExtendPointLabels', 'PackPointTALInputs']
    config = dict(type='PointTALDataset', data_root=str(folder), pipeline=[dict(type=step) for step in pipeline])
    arguments = {**DATASET, **arguments}
    arguments['metainfo'] = dict(classes=arguments.pop('classes'))
    dataset = DATASETS.build({**config, **arguments})
    return [dataset[index] for index in range(len(dataset))]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    write_json(folder / 'ann.json', VIDEOS)
    (folder / 'features').mkdir()
    for number in range(3):
        np.save(folder / f'features/v{number}.npy', np.ones((8, 4), np.float32))
    return folder


@pytest.mark.parametrize('argument', DATASET)
@given(data=st.data())
def test_arguments_of_the_data_set(argument, data, folder):
    value = data.draw(spoilt(DATASET[argument]) | values if isinstance(DATASET[argument], dict) else values)
    outcome(read_all, folder, **{argument: value})


@given(duration=st.sampled_from([1e8, 1e11, 1e300]), supervision=st.sampled_from(['points', 'segments']))
def test_durations_that_no_video_has(duration, supervision, tmp_path):
    """An array as long as the stated duration is not made."""
    video = dict(duration_sec=duration, fps=25.0, segments=[dict(start_sec=1, end_sec=2, label='a')])
    write_json(tmp_path / 'ann.json', {**VIDEOS, 'videos': dict(v0=video)})
    (tmp_path / 'features').mkdir(exist_ok=True)
    windows = dict(num_snippets=8, stride_snippets=4)
    for options in (dict(), dict(windows=windows)):
        refused(read_all, tmp_path, supervision=supervision, names='v0', **options)


def tiny_batch():
    sample = ActionDataSample(metainfo=dict(video_id='v', num_snippets=9, grid=SnippetGrid(0.5), duration_sec=4.5))
    sample.snippet_instances = torch.full((9, 2), -1, dtype=torch.int32)
    sample.snippet_instances[2, 0], sample.snippet_instances[6, 1] = 0, 1
    sample.background_labels = torch.arange(9) == 4
    sample.gt_video_labels = torch.ones(2)
    return dict(inputs=[torch.linspace(-1, 1, 54).reshape(9, 6)], data_samples=[sample])


def train_and_test(head, **arguments):
    model = MODELS.build(
        dict(
            type='PointTAL',
            embedding=dict(type='SnippetEmbedding', in_channels=6, out_channels=8),
            head=dict(type=head, num_classes=2, in_channels=8, **arguments),
        )
    )
    losses = model(**model.data_preprocessor(tiny_batch(), True), mode='loss')
    model.eval()
    with torch.no_grad():
        return losses, model(**model.data_preprocessor(tiny_batch(), False), mode='predict')


NESTED = {
    'miner': ('PseudoLabelMiner', PARTS['PseudoLabelMiner'][2]),
    'proposals': (
        'ProposalGenerator',
        ['video_threshold', 'score_levels', 'background_levels', 'outer_ratio', 'video_weight'],
    ),
    'searcher': ('SegmentSearcher', PARTS['SegmentSearcher'][2]),
    'video_loss': ('VideoLevelLoss', PARTS['VideoLevelLoss'][2]),
    'point_loss': ('PointFocalLoss', PARTS['PointFocalLoss'][2]),
}


@pytest.mark.parametrize('part', NESTED)
@given(data=st.data())
def test_what_is_let_through_can_be_computed_with(part, data):
    kind, arguments = NESTED[part]
    argument = data.draw(st.sampled_from(arguments))
    config = {part: dict(type=kind, **{argument: data.draw(drawn_for(argument))})}
    outcome(train_and_test, 'FSPTALHead', **config)
