import numpy as np
import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from model_builders import EMBEDDED, FEATURES, VIDEOS, build_model, make_video, run

from fsptal_mm.utils.errors import InputError


@pytest.mark.parametrize('kernel_size, separation_kernel, gap', [(1, 1, 1), (3, 7, 3), (5, 3, 2)])
def test_zero_rows_between_videos_fit_the_widest_convolution(kernel_size, separation_kernel, gap):
    trunk = dict(type='SnippetEmbedding', in_channels=FEATURES, out_channels=EMBEDDED, kernel_size=kernel_size)
    separation = dict(type='SeparationBranch', embed_channels=8, kernel_size=separation_kernel)
    model = build_model(model=dict(embedding=trunk), separation=separation)
    assert model.data_preprocessor.gap_snippets == gap
    assert all(loss.isfinite() for loss in run(model, VIDEOS).values())


def test_embedded_features_are_resampled_where_labels_were_extended_behind_the_embedding():
    model, videos = build_model('PointTALHead'), [make_video(9), make_video(4)]
    videos[0][1].set_metainfo(dict(embedding_positions=np.array([0.0, 0.5, 1.0])))
    data = model.data_preprocessor(dict(inputs=[video for video, _ in videos], data_samples=[s for _, s in videos]))
    plain, resampled = model.embed(data['inputs']), model.embed(**data)
    assert resampled.lengths == (3, 4)
    before, unchanged = plain.split(plain.features)
    first, second = resampled.split(resampled.features)
    torch.testing.assert_close(first, torch.stack([before[0], (before[0] + before[1]) / 2, before[1]]))
    torch.testing.assert_close(second, unchanged)


def test_a_video_with_features_of_another_dimension_is_named():
    features, sample = make_video(23)
    with pytest.raises(InputError, match='video v23: dimension of the snippet features: found 4, expected 6'):
        run(build_model(), [VIDEOS[0], (features[:, :4], sample)])


@pytest.mark.parametrize(
    'change, named',
    [
        (lambda weights: weights.popitem(), 'separation.embedding.bias'),
        (lambda weights: weights.update(more=torch.zeros(1)), 'more'),
        (lambda weights: weights.update({'embedding.conv.weight': torch.zeros(1)}), 'embedding.conv.weight'),
    ],
)
def test_weights_of_another_model_are_not_tested(change, named):
    """mmengine's runner loads the weights that fit, and leaves the others random. Such a model must not be tested."""
    model = build_model().eval()
    data = dict(inputs=[video for video, _ in VIDEOS], data_samples=[sample for _, sample in VIDEOS])
    whole = model.state_dict()
    model.test_step(data)  # nothing was loaded, so random weights may be tested
    weights = whole.copy()
    change(weights)
    load_state_dict(model, weights)
    with pytest.raises(InputError, match=named):
        model.test_step(data)
    load_state_dict(model, whole)
    model.test_step(data)
    load_state_dict(model, weights)
    run(model.train(), VIDEOS)  # a training may start with such weights, and then be tested
    model.eval().test_step(data)
