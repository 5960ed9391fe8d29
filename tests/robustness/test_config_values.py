"""Values of configs: a value that cannot be used gives an InputError that names its argument, before any step."""

import numpy as np
import pytest
import torch
from bounded import outcome, refused
from hypothesis import given
from hypothesis import strategies as st
from mmaction.registry import DATASETS, HOOKS, METRICS, MODELS, TASK_UTILS, TRANSFORMS
from mmaction.structures import ActionDataSample
from mmengine.registry import DefaultScope
from nasty import NASTY_VALUES, more, spoilt, values

from fsptal_mm.datasets.folds import Fold
from fsptal_mm.datasets.windows import Windows
from fsptal_mm.evaluation.functional import Protocol
from fsptal_mm.structures import SnippetGrid
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.writing import write_json

# By the name of a part: its registry, and the arguments for which the tests give numbers or words.
PARTS = {
    'PseudoLabelMiner': (TASK_UTILS, 'background_threshold action_threshold'),
    'LACPSeedMiner': (TASK_UTILS, 'background_threshold action_threshold'),
    'SegmentSearcher': (TASK_UTILS, 'outer_ratio num_places num_rounds'),
    'ProposalGenerator': (
        TASK_UTILS,
        'video_threshold score_levels background_levels outer_ratio outer_curve video_weight upsampling max_proposals',
    ),
    'VideoLevelLoss': (MODELS, 'topk_divisor absent_classes reduction loss_weight'),
    'PointFocalLoss': (MODELS, 'exponent background_weight loss_weight'),
    'LACPPointLoss': (MODELS, 'exponent action_weight background_weight'),
    'OICLoss': (MODELS, 'loss_weight'),
    'FeatureSeparationLoss': (MODELS, 'psi_same psi_diff class_aware anchor_background loss_weight'),
    'SeparationBranch': (MODELS, 'in_channels embed_channels temperature kernel_size'),
    'ForegroundBranch': (MODELS, 'in_channels scale'),
    'SnippetEmbedding': (MODELS, 'in_channels out_channels kernel_size input_dropout'),
    'AffinityEmbedding': (
        MODELS,
        'in_channels out_channels kernel_size hidden_channels embed_channels mask masked_taps clamp_negative '
        'mask_gradient input_dropout',
    ),
    'TransformerEmbedding': (
        MODELS,
        'in_channels num_layers num_heads window mlp_ratio kernel_size dropout input_dropout',
    ),
    'FSPTALHead': (MODELS, 'num_classes in_channels dropout topk_divisor mined_actions background_margin'),
    'LACPHead': (MODELS, 'num_classes in_channels dropout temperature score_weight feature_weight'),
    'LoadSnippetFeatures': (TRANSFORMS, 'length_tolerance'),
    'ExtendPointLabels': (TRANSFORMS, 'label_weight neighbour_weight stage'),
    'ResizeSnippets': (TRANSFORMS, 'num_snippets'),
    'SampleSnippets': (TRANSFORMS, 'num_snippets mode short'),
    'PseudoLabelMiningHook': (HOOKS, 'begin interval'),
    'TALMetric': (METRICS, 'preset tiou_thresholds average_ranges metrics ambiguous'),
}
FLAGS = {
    'PointTAL': (MODELS, 'checkpoint_clips'),
    'PointTALHead': (MODELS, 'cosine'),
    'FSPTALHead': (MODELS, 'cosine'),
    'FeatureSeparationLoss': (MODELS, 'class_aware'),
    'SegmentSearcher': (TASK_UTILS, 'original background_segments'),
    'PseudoLabelMiningHook': (HOOKS, 'live dump analysis'),
    'PointTALDataset': (DATASETS, 'test_mode'),
    'TALMetric': (METRICS, 'per_class'),
}
NEEDED = {name: dict(in_channels=8) for name, (_, arguments) in PARTS.items() if 'in_channels' in arguments.split()} | {
    'PointTAL': dict(
        embedding=dict(type='SnippetEmbedding', in_channels=6), head=dict(type='MILHead', num_classes=2, in_channels=6)
    ),
    'PointTALDataset': dict(ann_file='none.json', data_prefix=dict(feature='features'), grid=dict(snippet_sec=1.0)),
    'ResizeSnippets': dict(num_snippets=8),
    'SampleSnippets': dict(num_snippets=8),
    **{head: dict(num_classes=2, in_channels=8) for head in ('FSPTALHead', 'LACPHead', 'PointTALHead')},
}


def arguments_of(parts):
    return [pytest.param(name, part, id=f'{name}.{part}') for name in parts for part in parts[name][1].split()]


# Sizes have no upper limit, so a model of 10^8 channels would be built. Therefore only small sizes are tried.
SIZES = {'in_channels', 'out_channels', 'embed_channels', 'hidden_channels', 'kernel_size', 'num_classes'}
SIZES |= {'num_layers', 'num_heads', 'mlp_ratio', 'upsampling', 'num_places', 'num_rounds'}
_MAX_SIZE = 64


def drawn_for(argument):
    """Values that an argument may be given."""
    nasty = st.sampled_from(NASTY_VALUES) | values
    if argument not in SIZES:
        return nasty
    return nasty.filter(lambda value: not isinstance(value, (int, float)) or not abs(value) > _MAX_SIZE)


def build(name, **arguments):
    registry = (PARTS | FLAGS)[name][0]
    with DefaultScope.overwrite_default_scope('mmaction'):
        return registry.build(dict(type=name, **(NEEDED.get(name, {}) | arguments)))


@pytest.mark.parametrize('name, argument', arguments_of(PARTS))
@given(data=st.data())
def test_any_value(name, argument, data):
    assert not isinstance(outcome(build, name), InputError)  # the defaults are fine
    built = outcome(build, name, **{argument: data.draw(drawn_for(argument))})
    if isinstance(built, InputError):
        assert argument in str(built) or 'kernel_size' in str(built) or 'channels' in str(built)


NUMBERS = {
    'FSPTALHead': (MODELS, 'num_classes dropout'),
    'SnippetEmbedding': (MODELS, 'in_channels'),
    'SeparationBranch': (MODELS, 'temperature'),
    'ProposalGenerator': (TASK_UTILS, 'outer_ratio'),
    'PointFocalLoss': (MODELS, 'loss_weight'),
    'ExtendPointLabels': (TRANSFORMS, 'label_weight'),
    'SegmentSearcher': (TASK_UTILS, 'num_places'),
    'PseudoLabelMiningHook': (HOOKS, 'interval'),
}


@pytest.mark.parametrize('name, argument', arguments_of(NUMBERS))
def test_what_is_no_such_number_is_refused(name, argument):
    for value in (float('nan'), float('inf'), -1, 'x', [1], None, True):
        refused(build, name, names=argument, **{argument: value})


@pytest.mark.parametrize('name, flag', arguments_of(FLAGS))
def test_words_are_no_flags(name, flag):
    for value in ('False', 'no', 1, None):
        refused(build, name, names=f'{name}.{flag}: found', **{flag: value})


def test_a_foreground_branch_without_a_loss_is_refused():
    refused(build, 'LACPHead', foreground=dict(type='ForegroundBranch'), names='LACPHead.foreground')


GRID = dict(fps=25.0, snippet_frames=16, stride_frames=8, offset_sec=0.1)
FOLD = dict(index=0, count=2, part='train', group='(.)', seed=0)
WINDOWS = dict(num_snippets=8, stride_snippets=4)


@more
@given(data=st.data(), native=st.sampled_from([None, 25.0, 1e12]))
def test_grids_folds_windows_and_protocols(data, native):
    grid = data.draw(st.sampled_from([GRID, dict(snippet_sec=0.5), dict(GRID, fps='native')]).flatmap(spoilt) | values)
    found = outcome(SnippetGrid.from_config, grid, native, 'v1', names='grid')
    if isinstance(found, SnippetGrid):
        assert 0 < found.snippet_sec < np.inf
        assert np.isfinite(found.offset_sec)
        index = found.to_snippet(np.array([0.0, 1e12]))
        assert index[0] <= index[1]  # false after an overflow
    fold = outcome(Fold.from_config, data.draw(spoilt(FOLD) | values), names='fold')
    if isinstance(fold, Fold):
        videos = [f'{number}a' for number in range(10)]
        kept = outcome(fold.select, videos, names='fold')
        assert isinstance(kept, InputError) or set(kept) <= set(videos)
    outcome(Windows.from_config, data.draw(spoilt(WINDOWS) | values), names='windows')
    protocol = outcome(Protocol.from_config, *(data.draw(values) for _ in ('preset', 'thresholds', 'ranges')))
    if isinstance(protocol, Protocol):
        assert all(0 < threshold <= 1 for threshold in protocol.tiou_thresholds)


VIDEO = dict(duration_sec=8.0, fps=25.0, points=[dict(time_sec=2.5, label='a')])
VIDEOS = dict(format='fsptal_mm', version=1, classes=['a', 'b'], videos=dict.fromkeys(['v0', 'v1', 'v2'], VIDEO))
DATASET = dict(
    **dict(ann_file='ann.json', data_prefix=dict(feature='features'), grid=dict(snippet_sec=1.0), suffix='.npy'),
    **dict.fromkeys(['split_file', 'subset', 'point_file', 'fps_file', 'annotator', 'fold', 'windows']),
    **dict(seed=0, supervision='points', pointless='skip', classes=['a', 'b']),
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
    for options in (dict(), dict(windows=WINDOWS)):
        refused(read_all, tmp_path, supervision=supervision, names='v0', **options)


def tiny_batch():
    sample = ActionDataSample(metainfo=dict(video_id='v', num_snippets=9, grid=SnippetGrid(0.5), duration_sec=4.5))
    sample.snippet_instances = torch.full((9, 2), -1, dtype=torch.int32)
    sample.snippet_instances[2, 0], sample.snippet_instances[6, 1] = 0, 1
    sample.background_labels = torch.arange(9) == 4
    sample.gt_video_labels = torch.ones(2)
    return dict(inputs=[torch.linspace(-1, 1, 54).reshape(9, 6)], data_samples=[sample])


def train_and_test(head, **arguments):
    trunk = dict(type='SnippetEmbedding', in_channels=6, out_channels=8)
    head = dict(type=head, num_classes=2, in_channels=8, **arguments)
    model = MODELS.build(dict(type='PointTAL', embedding=trunk, head=head))
    losses = model(**model.data_preprocessor(tiny_batch(), True), mode='loss')
    model.eval()
    with torch.no_grad():
        return losses, model(**model.data_preprocessor(tiny_batch(), False), mode='predict')


NESTED = {
    'miner': 'PseudoLabelMiner',
    'proposals': 'ProposalGenerator',
    'searcher': 'SegmentSearcher',
    'video_loss': 'VideoLevelLoss',
    'point_loss': 'PointFocalLoss',
}


@pytest.mark.parametrize('part', NESTED)
@given(data=st.data())
def test_what_is_let_through_can_be_computed_with(part, data):
    argument = data.draw(st.sampled_from(PARTS[NESTED[part]][1].split()[:5]))  # others may need any amount of memory
    config = {part: dict(type=NESTED[part], **{argument: data.draw(drawn_for(argument))})}
    outcome(train_and_test, 'FSPTALHead', **config)
