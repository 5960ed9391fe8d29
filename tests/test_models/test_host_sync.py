import pytest
import torch
from host_sync import HostSyncs, Launches
from mmaction.registry import MODELS
from tiny_batches import make_batch


def build(head, trunk):
    torch.manual_seed(0)
    config = dict(
        type='PointTAL',
        embedding=dict(type=trunk, in_channels=6, out_channels=8),
        head=dict(num_classes=3, in_channels=8) | head,
    )
    return MODELS.build(config)


def syncs_of_a_step(head, batch, trunk='SnippetEmbedding'):
    model = build(head, trunk)
    with HostSyncs() as syncs:
        losses = model(**model.data_preprocessor(batch, True), mode='loss')
        sum(losses.values()).backward()
    return syncs.names


FEW = dict(num_videos=2, num_snippets=20, num_instances=2)
MORE = dict(num_videos=9), dict(num_snippets=400), dict(num_instances=15), dict(num_videos=5, num_instances=9)
TUNED = dict(type='FSPTALHead', cosine=True, separation_loss=dict(type='FeatureSeparationLoss', class_aware=True))
HEADS = {
    'base': (dict(type='PointTALHead'), 0),
    'fsptal': (dict(type='FSPTALHead'), 3),
    'fsptal without D': (dict(type='FSPTALHead', separation_loss=None), 2),
    'fsptal, other variants': (
        dict(
            type='FSPTALHead',
            searcher=dict(type='SegmentSearcher', background_segments=True),
            separation_loss=dict(type='FeatureSeparationLoss', class_aware=True),
            foreground=dict(type='ForegroundBranch'),
            background_margin=0.5,
        ),
        3,
    ),
    'lacp': (dict(type='LACPHead'), 2),
    'mil': (dict(type='MILHead'), 0),
}


@pytest.mark.parametrize('head, most', HEADS.values(), ids=HEADS)
def test_the_host_waits_as_often_for_few_as_for_many(head, most):
    names = syncs_of_a_step(head, make_batch(**FEW))
    for many in MORE:
        assert syncs_of_a_step(head, make_batch(**FEW | many)) == names
    assert len(names) <= most, names


def test_module_d_makes_the_host_wait_once():
    with_d, without = (
        syncs_of_a_step(dict(type='FSPTALHead') | head, make_batch(**FEW), trunk='AffinityEmbedding')
        for head in (dict(separation=None), dict(separation_loss=None))
    )
    assert len(with_d) == len(without) + 1
    assert len(syncs_of_a_step(dict(type='FSPTALHead'), make_batch(**FEW))) == len(with_d)


def launches_of_a_step(head, batch, trunk):
    model = build(head, trunk)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    with Launches() as launches:
        losses = model(**model.data_preprocessor(batch, True), mode='loss')
        sum(losses.values()).backward()
        optimizer.step()
    return launches.count


@pytest.mark.parametrize(
    'head, trunk, most',
    [
        (dict(type='PointTALHead'), 'SnippetEmbedding', 250),
        (dict(type='FSPTALHead', separation=None), 'AffinityEmbedding', 800),
        (
            dict(type='FSPTALHead', cosine=True, separation_loss=dict(type='FeatureSeparationLoss', class_aware=True)),
            'SnippetEmbedding',
            880,
        ),
        (dict(type='PointTALHead'), 'TransformerEmbedding', 480),
    ],
    ids=['base', 'fsptal', 'tuned', 'transformer'],
)
def test_operations_are_few_and_as_many_for_any_batch(head, trunk, most):
    # Videos of about one length share a group of the attention; others may need up to five groups more.
    few = launches_of_a_step(head, make_batch(**FEW), trunk)
    for many in (dict(num_videos=9, num_snippets=40), dict(num_snippets=60), dict(num_instances=9)):
        assert launches_of_a_step(head, make_batch(**FEW | many), trunk) == few
    assert few <= most


def test_the_counter_sees_every_way_to_wait_and_nothing_else():
    values = torch.arange(4.0)
    mask = values > 1
    ways = [
        lambda: [value.item() for value in values],
        lambda: bool(mask[0]),
        lambda: mask.nonzero(),
        lambda: torch.where(mask),
        lambda: values[mask],
        lambda: values.clone().__setitem__(mask, values[:2]),
        lambda: values.masked_select(mask),
        lambda: values.unique(),
        lambda: values.cpu(),
        lambda: values.tolist(),
        lambda: torch.repeat_interleave(values, torch.tensor([1, 0, 2, 1])),
        lambda: values[torch.tensor([0, 2])].masked_fill(mask[:2], 0).cumsum(0).topk(1),  # none
    ]
    counts = []
    for way in ways:
        with HostSyncs() as syncs:
            way()
        counts.append(syncs.count)
    assert counts == [4, *[1] * 10, 0]
