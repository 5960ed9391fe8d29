import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from tiny_run import make_runner

from fsptal_mm.engine.timeline_samples import (
    check_has_timeline,
    item_with_ground_truth,
    mined_sample,
    predicted_sample,
    video_indices,
)
from fsptal_mm.structures import VideoLabels
from fsptal_mm.utils.errors import InputError
from fsptal_mm.visualization import sample_timeline

CLASSES = ('a', 'b')


@pytest.fixture
def runner(tmp_path):
    return make_runner(tmp_path)


def plain_item(runner, index):
    """An item of the training set without label extension, as a test pipeline makes it."""
    dataset = runner.train_dataloader.dataset
    steps = dataset.pipeline.transforms
    data = dataset.get_data_info(index)
    for step in steps[:2] + steps[3:]:
        data = step(data)
    return data


def test_training_video_shows_what_the_head_mines_in_seconds(runner):
    model, dataset = runner.model, runner.train_dataloader.dataset
    model.train()
    # Video v2 has 23 s.
    timeline = sample_timeline(mined_sample(model, item_with_ground_truth(dataset, 2)), CLASSES, 'A')
    assert model.training
    (track,) = timeline.tracks
    assert (timeline.video_id, timeline.duration_sec, timeline.is_training, track.name) == ('v2', 23, True, 'A')
    assert timeline.points.segments[:, 0].tolist() == [2.5, 11.5, 19.5]
    assert timeline.points.labels.tolist() == [0, 0, 1]
    assert timeline.truth.segments.tolist() == [[1, 4], [18, 21], [10, 13]]

    data = pseudo_collate([dataset[2]])
    model.eval()
    batch = model.embed(model.data_preprocessor(data)['inputs'], data['data_samples'])
    labels = VideoLabels.from_batch(data['data_samples'], *model.head.mine(batch, data['data_samples']))['v2']
    scores = model.head.clean_scores(batch)
    np.testing.assert_allclose(track.curves.scores, scores.final[0], rtol=1e-6)
    np.testing.assert_allclose(track.curves.background, scores.background_scores[0], rtol=1e-6)
    assert track.curves.edges_sec.tolist() == labels.edges_sec.tolist()
    assert len(labels.edges_sec) > 24  # the extended video has more snippets, and ends where the video ends
    assert (labels.edges_sec[0], labels.edges_sec[-1]) == (0, 23)

    # Every run of extended labels lies around its point; what is mined lies elsewhere.
    for (start, end), label in zip(track.extended.segments, track.extended.labels):
        inside = (start <= timeline.points.segments[:, 0]) & (timeline.points.segments[:, 0] < end)
        assert timeline.points.labels[inside].tolist() == [label]
    middles = (labels.edges_sec[1:] + labels.edges_sec[:-1]) / 2
    for spans, snippets in ((track.extended, labels.given.numpy()), (track.mined, ~labels.given.numpy())):
        labelled = (labels.snippet_instances.numpy() >= 0).any(1) | labels.background_labels.numpy()
        covered = [((start <= middles) & (middles < end)) for start, end in spans.segments]
        assert (np.any(covered, 0) == (labelled & snippets)).all()
    of_all = [mined_sample(model, dataset[index]).mined_labels.labels for index in range(5)]
    assert set(np.concatenate(of_all)) == {-1, 0, 1}
    assert len(track.best_segments) == (~labels.segments.is_background).sum()
    assert track.proposals is None


def test_test_video_shows_scores_and_proposals(runner):
    model, item = runner.model, plain_item(runner, 1)
    timeline = sample_timeline(predicted_sample(model, item), CLASSES)
    (track,) = timeline.tracks
    assert not timeline.is_training
    # Video v1 has 16 snippets of a second, without label extension.
    assert track.curves.edges_sec.tolist() == list(range(17))
    (predicted,) = model.eval().test_step(pseudo_collate([plain_item(runner, 1)]))
    assert track.proposals.segments.tolist() == predicted.pred_segments.segments_sec.tolist()
    assert track.proposals.labels.tolist() == predicted.pred_segments.labels.tolist()
    np.testing.assert_allclose(track.proposals.scores, predicted.pred_segments.scores)
    assert len(track.proposals) > 0
    assert track.mined is track.extended is track.best_segments is None


@pytest.mark.parametrize(
    'head', [dict(type='MILHead'), dict(score_loss=None)], ids=['mines nothing', 'searches nothing']
)
def test_heads_show_what_they_have(tmp_path, head):
    runner = make_runner(tmp_path, head=head)
    timeline = sample_timeline(mined_sample(runner.model, runner.train_dataloader.dataset[0]), CLASSES)
    (track,) = timeline.tracks
    assert track.curves.scores.shape == (len(track.curves.background), 2)
    assert track.best_segments is None
    assert (track.extended is None) == (track.mined is None) == ('type' in head)


def test_videos_are_found_by_number_and_by_id(runner):
    dataset = runner.train_dataloader.dataset
    assert [video_indices(dataset, number, 'videos') for number in (2, 99)] == [[0, 1], [0, 1, 2, 3, 4]]
    assert video_indices(dataset, ['v3', 'v0'], 'videos') == [3, 0]
    with pytest.raises(InputError, match=r"videos: found \['x'\], .* v0, v1"):
        video_indices(dataset, ['v3', 'x'], 'videos')
    with pytest.raises(InputError, match="model: found 'Linear'"):
        check_has_timeline(torch.nn.Linear(1, 1))
