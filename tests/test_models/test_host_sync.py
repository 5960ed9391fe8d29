import pytest
import torch
from host_sync import HostSyncs, Launches
from model_builders import CLASSES, EMBEDDED, FEATURES, FORMS, build_model, make_videos, run

from fsptal_mm.structures import SegmentBatch

FEW = dict(num_videos=2, num_snippets=20, num_instances=2)
MORE = dict(num_videos=9), dict(num_snippets=400), dict(num_instances=15), dict(num_videos=5, num_instances=9)


def syncs_of_a_step(form, counts):
    """Operators of a training step that the host waits for."""
    model, videos = build_model(**form), make_videos(**counts)
    if 'labels' not in form and form.get('head') == 'BackTALHead':
        for _, sample in videos:
            sample.background_labels[-1] = True  # it needs background clicks
    with HostSyncs() as syncs:
        sum(run(model, videos).values()).backward()
    return syncs.names


# Largest number of host waits in a training step, by the form of the model.
WAITS = {
    **dict.fromkeys(['base', 'mil', 'sfnet of two streams', 'hrpro', 'delu', 'asmloc'], 0),
    **dict.fromkeys(['without D', 'lacp', 'backtal on points'], 2),
    **dict.fromkeys(['fsptal', 'affinity convolution', 'variants', 'backtal'], 3),
    'ensemble': 6,  # 3 for each of its two members
}


@pytest.mark.parametrize('form', WAITS)
def test_the_host_waits_as_often_for_few_as_for_many(form):
    names = syncs_of_a_step(FORMS[form], FEW)
    for many in MORE:
        assert syncs_of_a_step(FORMS[form], FEW | many) == names
    assert len(names) <= WAITS[form], names


def launches_of_a_step(form, counts):
    model, videos = build_model(**form), make_videos(**counts)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    with Launches() as launches:
        sum(run(model, videos).values()).backward()
        optimizer.step()
    return launches.count


@pytest.mark.parametrize(
    'form, most',
    [
        (dict(head='PointTALHead'), 180),
        (dict(trunk='AffinityEmbedding', separation=None), 740),  # half of the operations are in the search
        (dict(cosine=True, separation_loss=dict(type='FeatureSeparationLoss', class_aware=True)), 790),
        (dict(head='PointTALHead', trunk='TransformerEmbedding'), 370),
    ],
    ids=['base', 'fsptal', 'tuned', 'transformer'],
)
def test_operations_are_few_and_as_many_for_any_batch(form, most):
    # The attention treats videos of similar lengths as one group, as here; other lengths may need up to five groups
    # more.
    few = launches_of_a_step(form, FEW)
    for many in (dict(num_videos=9, num_snippets=40), dict(num_snippets=60), dict(num_instances=9)):
        assert launches_of_a_step(form, FEW | many) == few
    assert few <= most


def second_stage_step(num_proposals, **counts):
    """Operations of a step of the second stage, and what the host waits for."""
    members = [dict(in_channels=FEATURES, channels=8), dict(in_channels=EMBEDDED, channels=8, inputs='embedding')]
    refinement = dict(type='RefinementHead', num_classes=CLASSES, members=members)
    model, videos, store = build_model(model=dict(refinement=refinement)), make_videos(**counts), {}
    for features, sample in videos:
        start = torch.linspace(0, len(features) - 4, num_proposals)
        points = torch.linspace(0, len(features) - 5, counts['num_instances'])
        own = (SegmentBatch.of_video(torch.stack([place, place + 4], 1)) for place in (start, points))
        store[sample.video_id] = tuple(own)
    model.start_refinement(store)
    optimizer = torch.optim.Adam(model.refinement.parameters(), fused=True)
    with Launches() as launches, HostSyncs() as syncs:
        sum(run(model, videos).values()).backward()
        optimizer.step()
    return launches.count, syncs.names


def test_the_second_stage_has_as_many_operations_for_any_batch_and_never_waits():
    few = second_stage_step(num_proposals=10, **FEW)
    more = dict(num_videos=9), dict(num_snippets=400), dict(num_instances=9), dict(num_proposals=300)
    for many in more:
        assert second_stage_step(**dict(num_proposals=10) | FEW | many) == few
    assert few[0] <= 510  # including those that make the optimizer's state
    assert few[1] == []


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
        lambda: values[torch.tensor([0, 2])].masked_fill(mask[:2], 0).cumsum(0).topk(1),  # does not wait
    ]
    counts = []
    for way in ways:
        with HostSyncs() as syncs:
            way()
        counts.append(syncs.count)
    assert counts == [4, *[1] * 10, 0]
