import torch

from fsptal_mm.structures import SegmentBatch, paired_tiou, segment_iou


def test_joined_segments_know_their_videos():
    first = SegmentBatch.of_video([[0, 2], [1, 5]], [1, 0], [0.5, 0.25])
    empty, third = SegmentBatch.of_video([]), SegmentBatch.of_video([[3, 4]])
    batch = SegmentBatch.join([first, empty, third])
    assert batch.counts == (2, 0, 1)
    assert batch.video.tolist() == [0, 0, 2]
    assert batch.slots.tolist() == [[0, 1], [-1, -1], [2, -1]]
    assert batch.labels.tolist() == [1, 0, 0]
    assert batch.scores.tolist() == [0.5, 0.25, 1.0]
    assert batch.segments.dtype == torch.float32
    nothing = SegmentBatch.join([empty, empty])
    assert (len(nothing), nothing.slots.shape, nothing.video.shape) == (0, (2, 0), (0,))


def test_places_are_each_there_once():
    batch = SegmentBatch.of_video([[3, 4], [1, 5], [3, 4], [1, 2]])
    places, which = batch.places()
    assert places.tolist() == [[1, 2], [1, 5], [3, 4]]
    assert places[which].tolist() == batch.segments.tolist()
    nothing, which = SegmentBatch.of_video([]).places()
    assert (nothing.shape, which.shape) == ((0, 2), (0,))
    assert batch[:2].segments.tolist() == [[3, 4], [1, 5]]


def test_tiou_of_pairs_is_that_of_all_with_all():
    segments = torch.tensor([[0, 4], [2, 6], [0, 4], [4, 5], [1, 2], [3, 3]]).double()
    found = paired_tiou(segments[:, None], segments)
    assert torch.equal(found, torch.from_numpy(segment_iou(segments.numpy(), segments.numpy())))
