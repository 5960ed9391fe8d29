import pytest
import torch
from host_sync import HostSyncs
from model_builders import build_model, make_video, run


def syncs_of_a_step(form, num_videos=1, num_snippets=20, num_instances=2):
    """Operators of a training step that the host waits for; videos of unequal lengths, classes by turns."""
    videos = []
    for length in range(num_snippets, num_snippets - num_videos, -1):
        points = [(number * length // num_instances, number % 3, number) for number in range(num_instances)]
        videos.append(make_video(length, points))
    model = build_model(**form)
    with HostSyncs() as syncs:
        sum(run(model, videos).values()).backward()
    return syncs.names


FORMS = {
    'base': (dict(head='PointTALHead'), 0),
    'fsptal': (dict(), 12),
    'fsptal without D': (dict(separation_loss=None), 2),
    'fsptal, affinity convolution': (dict(trunk='AffinityEmbedding', separation=None), 11),
    'fsptal, other variants': (
        dict(
            searcher=dict(type='SegmentSearcher', background_segments=True),
            separation_loss=dict(type='FeatureSeparationLoss', class_aware=True),
            foreground=dict(type='ForegroundBranch'),
            background_margin=0.5,
        ),
        13,
    ),
    'lacp': (dict(head='LACPHead'), 2),
    'mil': (dict(head='MILHead'), 0),
}


@pytest.mark.parametrize('form, most', FORMS.values(), ids=FORMS)
def test_the_host_waits_as_often_for_few_as_for_many(form, most):
    names = syncs_of_a_step(form)
    more = dict(num_videos=9), dict(num_snippets=400), dict(num_instances=15), dict(num_videos=5, num_instances=9)
    for many in more:
        assert syncs_of_a_step(form, **many) == names
    assert len(names) <= most, names


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
