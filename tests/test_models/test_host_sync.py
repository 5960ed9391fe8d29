import pytest
import torch
from host_sync import HostSyncs
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample


def make_batch(num_videos, num_snippets, num_instances):
    """Videos of unequal lengths, their instances of three classes by turns."""
    inputs, samples = [], []
    for video in range(num_videos):
        length = num_snippets - video
        instances = torch.full((length, 3), -1, dtype=torch.int32)
        times = torch.arange(num_instances) * length // num_instances
        instances[times, times % 3] = torch.arange(num_instances).int()
        sample = ActionDataSample(metainfo=dict(video_id=f'v{video}', num_snippets=length))
        sample.snippet_instances, sample.background_labels = instances, torch.zeros(length, dtype=torch.bool)
        sample.gt_video_labels = (instances >= 0).any(0).float()
        inputs.append(torch.rand(length, 6, generator=torch.Generator().manual_seed(video)))
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def syncs_of_a_step(head, batch, trunk='SnippetEmbedding'):
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='PointTAL',
            embedding=dict(type=trunk, in_channels=6, out_channels=8),
            head=dict(num_classes=3, in_channels=8) | head,
        )
    )
    with HostSyncs() as syncs:
        losses = model(**model.data_preprocessor(batch, True), mode='loss')
        sum(losses.values()).backward()
    return syncs.names


@pytest.mark.parametrize(
    'head, most',
    [
        (dict(type='PointTALHead'), 0),
        (dict(type='FSPTALHead'), 15),
        (dict(type='FSPTALHead', separation_loss=None), 5),
        (
            dict(
                type='FSPTALHead',
                searcher=dict(type='SegmentSearcher', background_segments=True),
                separation_loss=dict(type='FeatureSeparationLoss', class_aware=True),
                foreground=dict(type='ForegroundBranch'),
                background_margin=0.5,
            ),
            16,
        ),
        (dict(type='LACPHead'), 5),
    ],
    ids=['base', 'fsptal', 'fsptal without D', 'fsptal, other variants', 'lacp'],
)
def test_the_host_waits_as_often_for_few_as_for_many(head, most):
    few = dict(num_videos=1, num_snippets=20, num_instances=2)
    names = syncs_of_a_step(head, make_batch(**few))
    more = dict(num_videos=9), dict(num_snippets=400), dict(num_instances=15), dict(num_videos=5, num_instances=9)
    for many in more:
        assert syncs_of_a_step(head, make_batch(**few | many)) == names
    assert len(names) <= most, names


def test_the_host_waits_for_an_affinity_convolution_as_often_as_for_a_plain_one():
    head = dict(type='FSPTALHead', separation=None)
    many = dict(num_videos=9, num_snippets=400, num_instances=15)
    few, more = (
        syncs_of_a_step(head, make_batch(**sizes), trunk='AffinityEmbedding')
        for sizes in (dict(num_videos=1, num_snippets=20, num_instances=2), many)
    )
    assert few == more
    # The branch selects the snippets that it embeds, for which the host waits; the losses are the same.
    branch = syncs_of_a_step(dict(type='FSPTALHead'), make_batch(**many))
    assert len(more) < len(branch)


def test_the_counter_sees_every_way_to_wait():
    values = torch.arange(4.0)
    mask = values > 1
    ways = [
        lambda: values[0].item(),
        lambda: bool(mask[0]),
        lambda: float(values.sum()),
        lambda: mask.nonzero(),
        lambda: torch.where(mask),
        lambda: values[mask],
        lambda: values.clone().__setitem__(mask, values[:2]),
        lambda: values.masked_select(mask),
        lambda: values.unique(),
        lambda: values.cpu(),
        lambda: values.tolist(),
        lambda: torch.repeat_interleave(values, torch.tensor([1, 0, 2, 1])),
        lambda: max(values[:2]),  # compares tensors one by one
    ]
    for number, way in enumerate(ways):
        with HostSyncs() as syncs:
            way()
        assert syncs.count >= 1, number
    with HostSyncs() as syncs:
        for snippet in range(4):
            values[snippet].item()
    assert syncs.count == 4
    with HostSyncs() as syncs:
        values[torch.tensor([0, 2])].masked_fill(mask[:2], 0).cumsum(0).topk(1)
    assert syncs.count == 0
