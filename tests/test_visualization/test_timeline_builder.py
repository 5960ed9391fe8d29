import numpy as np
import torch
from mmaction.structures import ActionDataSample
from mmengine.structures import InstanceData

from fsptal_mm.evaluation import GroundTruth
from fsptal_mm.structures import Instances
from fsptal_mm.visualization import ModelTrack, SnippetCurves, sample_timeline, video_timeline

CLASSES = ('jump', 'run')


def sample(**data):
    """A data sample of a video with a segment, a point, a click on background and a detection."""
    meta = dict(
        video_id='v',
        duration_sec=20.0,
        gt_segments_sec=np.array([[4.0, 7.0]]),
        gt_segment_labels=np.array([1]),
        gt_point_sec=np.array([5.0]),
        gt_point_labels=np.array([1]),
        gt_background_sec=np.array([15.0]),
    )
    found = dict(segments_sec=torch.tensor([[4.0, 6.0]]), labels=torch.tensor([1]), scores=torch.tensor([0.5]))
    return ActionDataSample(metainfo=meta, pred_segments=InstanceData(**found), **data)


def test_a_sample_shows_what_it_holds():
    curves = SnippetCurves(np.arange(3.0), np.ones((2, 2)), np.ones(2))
    mined = Instances.of_video([[1, 2]], [0])
    timeline = sample_timeline(sample(snippet_curves=curves, mined_labels=mined), CLASSES, 'A')
    assert (timeline.video_id, timeline.duration_sec, timeline.classes) == ('v', 20, CLASSES)
    assert (timeline.truth.segments.tolist(), timeline.truth.labels.tolist()) == ([[4, 7]], [1])
    assert (timeline.points.segments[:, 0].tolist(), timeline.points.labels.tolist()) == ([5, 15], [1, -1])
    (track,) = timeline.tracks
    assert (track.name, track.curves, track.mined) == ('A', curves, mined)
    assert track.extended is track.best_segments is None
    assert (track.proposals.segments.tolist(), track.proposals.scores.tolist()) == ([[4, 6]], [0.5])
    assert not timeline.is_training


def test_parts_that_are_left_out_or_missing():
    timeline = sample_timeline(sample(), CLASSES, draw_gt=False)
    assert timeline.truth is timeline.points is None
    assert len(timeline.tracks) == 1
    timeline = sample_timeline(sample(), CLASSES, draw_pred=False)
    assert len(timeline.truth) == 1
    assert timeline.tracks == ()
    timeline = sample_timeline(ActionDataSample(metainfo=dict(video_id='v', duration_sec=1.0)), CLASSES)
    assert len(timeline.truth) == len(timeline.points) == 0
    assert timeline.tracks[0].proposals is None


def ground_truth(duration_sec):
    other = dict(video_id='other', duration_sec=5.0, gt_segments_sec=[[0, 1]], gt_segment_labels=[0])
    own = dict(video_id='v', duration_sec=duration_sec, gt_segments_sec=[[4, 7]], gt_segment_labels=[1])
    own |= dict(point_sec=[5.0], point_labels=[1], background_sec=[8.0], ambiguous_sec=[[1, 2]])
    return GroundTruth.from_videos([other, own], CLASSES, drop_ambiguous=True)


def test_a_judged_video_shows_its_own_part_of_the_ground_truth():
    track = ModelTrack('A', proposals=Instances.of_video([[4, 6]], [1], [0.5]))
    timeline = video_timeline(ground_truth(20.0), 1, [track])
    assert (timeline.video_id, timeline.duration_sec, timeline.tracks) == ('v', 20, (track,))
    assert timeline.truth.segments.tolist() == [[4, 7]]
    assert timeline.points.segments[:, 0].tolist() == [5, 8]
    assert timeline.ambiguous.segments.tolist() == [[1, 2]]


def test_a_video_of_unknown_duration_ends_with_its_last_segment():
    found = ModelTrack(proposals=Instances.of_video([[4, 30]], [1], [0.5]))
    assert video_timeline(ground_truth(None), 1).duration_sec == 8
    assert video_timeline(ground_truth(None), 1, [found]).duration_sec == 30
    nothing = GroundTruth.from_videos([dict(video_id='v')], CLASSES)
    assert video_timeline(nothing, 0).duration_sec == 1  # an axis needs a length
