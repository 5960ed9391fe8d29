"""Small models, videos and labels, which the tests of heads, losses and miners share."""

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample

from fsptal_mm.structures import PointTargets, SegmentLabels, SnippetGrid

FEATURES, EMBEDDED, CLASSES = 6, 8, 3


def make_targets(instances, background=None, mask=None):
    """Targets from nested lists or arrays: instances ``(B, T, C)``, background and mask ``(B, T)``."""
    instances = torch.as_tensor(instances, dtype=torch.int32)
    shape = instances.shape[:2]
    background = torch.zeros(shape) if background is None else torch.as_tensor(background)
    mask = torch.ones(shape) if mask is None else torch.as_tensor(mask)
    return PointTargets(instances, background.bool(), (instances >= 0).any(1).float(), mask.bool())


def make_segments(groups, rows):
    """Segments; a group is ``(video, label)``, a row ``(group, start, stop, outer_start, outer_stop, background)``."""
    video, label = torch.tensor(groups, dtype=torch.int64).reshape(-1, 2).t()
    columns = torch.tensor(rows, dtype=torch.int64).reshape(-1, 6).t()
    return SegmentLabels(video, label, *columns[:-1], columns[-1].bool())


def make_video(length, points=(), background=(), clip=(FEATURES,)):
    """Random features (or clips) and the data sample of a video with ``points`` of (snippet, class, instance)."""
    instances = torch.full((length, CLASSES), -1, dtype=torch.int32)
    for snippet, label, instance in points:
        instances[snippet, label] = instance
    meta = dict(video_id=f'v{length}', num_snippets=length, grid=SnippetGrid(0.5), duration_sec=length * 0.5)
    sample = ActionDataSample(metainfo=meta)
    sample.snippet_instances = instances
    sample.background_labels = torch.zeros(length, dtype=torch.bool)
    sample.background_labels[list(background)] = True
    sample.gt_video_labels = (instances >= 0).any(0).float()
    return torch.randn(length, *clip, generator=torch.Generator().manual_seed(length)), sample


def make_videos(num_videos, num_snippets, num_instances, dim=FEATURES):
    """Videos of unequal lengths, with instances of three classes in turn."""
    videos = []
    for length in range(num_snippets, num_snippets - num_videos, -1):
        points = [(number * length // num_instances, number % 3, number) for number in range(num_instances)]
        videos.append(make_video(length, points, clip=(dim,)))
    return videos


def make_batch(**counts):
    """Batch of :func:`make_videos`, as a data loader gives it."""
    inputs, data_samples = zip(*make_videos(**counts))
    return dict(inputs=list(inputs), data_samples=list(data_samples))


VIDEOS = [
    make_video(40, [(5, 0, 0), (6, 0, 0), (20, 1, 1), (30, 0, 2)], [39]),
    make_video(9, [(4, 2, 0)]),
    make_video(1, [(0, 1, 0)]),
    make_video(23, [(3, 0, 0), (4, 0, 1), (3, 2, 2), (15, 1, 3)]),
]


def make_clicked():
    """Four videos, each with one background click, and with one or two points."""
    return [
        make_video(length, [(0, 1, 0), (length // 2, seed % 3, 1)], [length - 1])
        for seed, length in enumerate((9, 1, 23, 4))
    ]


BACKTAL = dict(head='BackTALHead', embed_channels=4, sparsity_weight=1.0)
TWO_STREAMS = dict(type='SnippetEmbedding', in_channels=FEATURES, out_channels=EMBEDDED, num_streams=2)
DELU = dict(head='DELUHead', streams=(4, 4), filter_dropout=0.0, model=dict(embedding=TWO_STREAMS))
ON_FEATURES = dict(in_channels=6, streams=(3, 3), scores='logits', model=dict(embedding=dict(type='IdentityEmbedding')))
WIDER = dict(type='SnippetEmbedding', in_channels=FEATURES, out_channels=2 * EMBEDDED)
FORMS = {  # options of ``build_model`` for every method, and for variants of FS-PTAL
    'base': dict(head='PointTALHead', foreground=dict(type='ForegroundBranch')),
    'fsptal': dict(),
    'affinity convolution': dict(trunk='AffinityEmbedding', separation=None),  # module D as in the paper
    'without C': dict(score_loss=None),
    'without D': dict(separation_loss=None),
    'variants': dict(
        searcher=dict(type='SegmentSearcher', background_segments=True),
        separation=dict(type='SeparationBranch', embed_channels=8),
        separation_loss=dict(type='FeatureSeparationLoss', class_aware=True),
        foreground=dict(type='ForegroundBranch'),
        background_margin=0.5,
    ),
    'ensemble': dict(head='EnsembleHead', member='FSPTALHead', num_members=2, model=dict(embedding=WIDER)),
    'lacp': dict(head='LACPHead'),
    'mil': dict(head='MILHead'),
    'asmloc': dict(head='ASMLocHead'),
    'backtal': BACKTAL,
    'backtal by thirds': BACKTAL | dict(affinity='thirds'),
    'backtal on points': BACKTAL | dict(labels='points'),
    'delu': DELU,
    'delu on features': DELU | ON_FEATURES,
    'hrpro': dict(head='HRProHead', momentum=0.0, encoder=dict(num_heads=2, dropout=0.0, attention_dropout=0.0)),
    'sfnet': dict(head='SFNetHead'),
    'sfnet of two streams': dict(head='SFNetHead', num_streams=2),
    'sfnet by logits': dict(head='SFNetHead', scores='logits', proposals=dict(type='MeanLevelProposals')),
}


def build_model(head='FSPTALHead', trunk='SnippetEmbedding', model=(), **options):
    """A detector; ``model`` holds options of the detector, ``options`` those of its head."""
    torch.manual_seed(0)
    head = dict(type=head, num_classes=CLASSES, in_channels=EMBEDDED, dropout=0.0) | options
    embedding = dict(type=trunk, in_channels=FEATURES, out_channels=EMBEDDED)
    return MODELS.build(dict(type='PointTAL', embedding=embedding, head=head) | dict(model))


def run(model, videos, mode='loss'):
    data = dict(inputs=[video for video, _ in videos], data_samples=[sample for _, sample in videos])
    return model(**model.data_preprocessor(data, mode == 'loss'), mode=mode)


def embed(model, videos):
    """F of a batch, and its data samples."""
    data = dict(inputs=[video for video, _ in videos], data_samples=[sample for _, sample in videos])
    return model.embed(model.data_preprocessor(data)['inputs']), data['data_samples']


def losses_and_gradients(model, videos, terms=None):
    """Losses and gradients by name, of all loss terms or of ``terms``; ``None`` for a parameter without a gradient."""
    model.zero_grad()
    losses = {name: loss for name, loss in run(model, videos).items() if terms is None or name in terms}
    sum(losses.values()).backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    return {name: loss.detach() for name, loss in losses.items()}, gradients


def assert_trainable(model, videos):
    """Check that losses and gradients are finite, and that every parameter has a gradient; returns the losses."""
    losses, gradients = losses_and_gradients(model, videos)
    for name, value in (losses | gradients).items():
        assert value is not None, name  # distributed training waits for the gradients of all parameters
        assert torch.isfinite(value).all(), name
    return losses
