"""Training candidates of the second stage, and their targets."""

import numpy as np
import pytest
import torch

from fsptal_mm.models import CandidateSampler, SegmentAssigner
from fsptal_mm.structures import SegmentBatch, segment_iou
from fsptal_mm.utils.errors import InputError


def random_segments(generator, count, length, num_classes=3):
    start, size = torch.rand(2, count, generator=generator) * torch.tensor([[0.8], [0.3]]) * length
    segments = torch.stack([start, (start + size + 0.1).clamp(max=length)], 1)
    labels = torch.randint(num_classes, (count,), generator=generator)
    return SegmentBatch.of_video(segments, labels, torch.rand(count, generator=generator) + 0.5)


@pytest.fixture
def batch():
    """Videos of 40, 25 and 60 snippets; the second one has no segment."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([40, 25, 60])
    proposals = [random_segments(generator, count, length) for count, length in zip((50, 30, 0), lengths.tolist())]
    segments = [random_segments(generator, count, length) for count, length in zip((5, 0, 2), lengths.tolist())]
    return SegmentBatch.join(proposals), SegmentBatch.join(segments), lengths


def test_targets_equal_those_by_hand(batch):
    candidates, segments, _ = batch
    targets = SegmentAssigner(min_quality=0.2)(candidates.video, candidates.segments, segments, 3)
    for index, (video, candidate) in enumerate(zip(candidates.video, candidates.segments)):
        own = np.flatnonzero(segments.video == video)
        if not len(own):
            assert targets.quality[index].tolist() == [0, 0, 0]
            assert targets.segments[index].tolist() == candidate.tolist()
            assert (targets.tiou[index], targets.weights[index]) == (0, 1)
            continue
        tiou = segment_iou(candidate[None].numpy(), segments.segments[own].numpy())[0]
        for label in range(3):
            best = max(tiou[segments.labels[own].numpy() == label], default=0)
            assert targets.quality[index, label].item() == pytest.approx(best if best >= 0.2 else 0, abs=1e-6)
        assert targets.tiou[index].item() == pytest.approx(tiou.max(), abs=1e-6)
        if tiou.max() > 0:
            assert targets.segments[index].tolist() == segments.segments[own[tiou.argmax()]].tolist()
            assert targets.weights[index] == segments.scores[own[tiou.argmax()]]


def draw(sampler, batch):
    proposals, segments, lengths = batch

    def assign(video, candidates):
        return SegmentAssigner()(video, candidates, segments, 3)

    video, candidates, targets, exists = sampler(proposals, segments, lengths, assign)
    wanted = assign(video, candidates)
    video, candidates, targets = video[exists], candidates[exists], targets[exists]
    assert all(torch.equal(part, vars(wanted)[name][exists]) for name, part in vars(targets).items())
    return video, candidates, exists, targets


def test_every_range_has_its_quota_and_candidates_stay_in_their_videos(batch):
    video, candidates, exists, targets = draw(CandidateSampler(num_per_range=9, random_snippets=(2, 20)), batch)
    assert exists.shape == (3 * 3 * 9,)
    assert (candidates[:, 0] >= 0).all()
    assert (candidates[:, 1] <= batch[2][video]).all()
    assert (candidates[:, 1] > candidates[:, 0]).all()
    ranges = torch.bucketize(targets.tiou, torch.tensor([0.2, 0.5]), right=True)
    counts = torch.zeros(3, 3).index_put((video, ranges), torch.ones(len(video)), accumulate=True)
    assert counts.max() == 9
    assert counts[1].tolist() == [9, 0, 0]  # without a segment, all have no overlap
    assert counts[0, 0] == counts[0, 2] == 9
    assert len({(v, *c) for v, c in zip(video.tolist(), candidates.tolist())}) == len(video)


@pytest.mark.parametrize('num_per_range', [1, 5, 100])
def test_every_segment_is_a_candidate(batch, num_per_range):
    video, candidates, _, _ = draw(CandidateSampler(num_per_range=num_per_range), batch)
    drawn = {(v, *c) for v, c in zip(video.tolist(), candidates.tolist())}
    segments = batch[1]
    assert {(v, *s) for v, s in zip(segments.video.tolist(), segments.segments.tolist())} <= drawn


def test_nothing_but_random_segments_is_enough():
    nothing = SegmentBatch.of_video([])
    _, candidates, exists, targets = draw(
        CandidateSampler(num_random=4, random_snippets=(2, 80)), (nothing, nothing, torch.tensor([1]))
    )
    assert exists.sum() == 4
    assert candidates.tolist() == [[0, 1]] * 4  # candidates end with the video
    assert targets.tiou.tolist() == [0] * 4


def test_copies_move_by_no_more_than_the_jitter():
    segments, nothing = SegmentBatch.of_video([[40, 50]]), SegmentBatch.of_video([])
    sampler = CandidateSampler(num_jittered=200, jitter=0.3, num_random=1, num_per_range=300)
    _, candidates, _, _ = draw(sampler, (nothing, segments, torch.tensor([100])))
    near = candidates[((candidates - torch.tensor([40.0, 50.0])).abs() <= 3).all(1)]
    assert len(near) >= 200
    assert near.std(0).min() > 1


@pytest.mark.parametrize(
    'options, field',
    [
        (dict(tiou_edges=(0.5, 0.2)), 'tiou_edges'),
        (dict(tiou_edges=(0.2, 1.5)), 'tiou_edges'),
        (dict(random_snippets=(5, 2)), 'random_snippets'),
    ],
)
def test_wrong_options(options, field):
    with pytest.raises(InputError, match=field):
        CandidateSampler(**options)
