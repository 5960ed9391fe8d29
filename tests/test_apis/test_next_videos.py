import numpy as np
import pytest
from plain_files import plain_video, write_plain

from fsptal_mm.apis.next_videos import SuggestedVideo, mean_features, suggest_videos, unlabelled_videos
from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.utils.errors import InputError


def detections(*scores):
    segments = np.array([[2.0 * place, 2.0 * place + 1] for place in range(len(scores))]).reshape(-1, 2)
    return {'segments_sec': segments, 'scores': np.array(scores), 'labels': ['jump'] * len(scores)}


@pytest.fixture
def labelled(tmp_path):
    """Two labelled videos with three points."""
    videos = {
        'known': plain_video(points=[(1.0, 'jump'), (2.0, 'jump')], subset='train'),
        'other': plain_video(points=[(1.0, 'jump')], subset='train'),
    }
    return load_annotations(write_plain(tmp_path / 'ann.json', ['jump'], videos)).videos


def test_labelled_videos_are_left_out_and_the_threshold_follows_from_their_points(labelled):
    results = {
        'v_known': detections(5.0, 5.0),
        'a': detections(0.9, 0.6, 0.2),
        'b': detections(0.3, 0.1),
        'c': detections(),
    }
    videos, thresholds = unlabelled_videos(results, labelled)
    # 1.5 points per video, so 4.5 actions in three videos, rounded to 4: the fourth best score.
    assert thresholds == {'jump': 0.2}
    assert [(video.video_id, video.detections['scores'].tolist()) for video in videos] == [
        ('a', [0.2, 0.6, 0.9]),
        ('b', [0.3, 0.1]),
        ('c', []),
    ]
    np.testing.assert_allclose(
        [video.uncertainty for video in videos], [(1 + 1 / 3 + 2 / 9) / 3, (2 / 3 + 1 / 2) / 2, 0]
    )


def test_given_thresholds_count(labelled):
    [video], thresholds = unlabelled_videos({'a': detections(0.9, 0.6)}, labelled, {'jump': 0.9})
    assert thresholds == {'jump': 0.9}
    assert video.uncertainty == pytest.approx((1 + 0.6 / 0.9) / 2)


@pytest.mark.parametrize(
    'results, field', [({'known': detections(0.5)}, 'results'), ({'a': detections()}, 'results'), ({}, 'results')]
)
def test_nothing_to_choose_from_is_an_error(labelled, results, field):
    with pytest.raises(InputError, match=field):
        unlabelled_videos(results, labelled)


def test_without_a_labelled_video_there_is_nothing_to_compare_with():
    with pytest.raises(InputError, match='annotations'):
        unlabelled_videos({'a': detections(0.5)}, {})


def test_mean_features_join_the_streams_and_decide_the_order(tmp_path):
    for stream, scale in (('rgb', 1.0), ('flow', 10.0)):
        (tmp_path / stream).mkdir()
        for place, name in enumerate(('known', 'a', 'b')):
            np.save(tmp_path / stream / f'{name}.npy', scale * np.array([[place, 0.0], [place + 2, 2.0]], np.float32))
    means = mean_features([tmp_path / 'rgb', tmp_path / 'flow'])
    assert means['a'].tolist() == [2, 1, 20, 10]
    videos = [SuggestedVideo(name, 1.0, {}) for name in ('a', 'b')]
    assert [video.video_id for video in suggest_videos(videos, ['v_known'], means)] == ['b', 'a']
    with pytest.raises(InputError, match='video c'):
        suggest_videos([SuggestedVideo('c', 1.0, {})], ['known'], means)
    (tmp_path / 'flow/a.npy').unlink()
    with pytest.raises(InputError, match='video a: features'):
        mean_features([tmp_path / 'rgb', tmp_path / 'flow'])
