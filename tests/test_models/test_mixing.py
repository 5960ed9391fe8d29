"""Parts of this package inside parts of other packages, and the other way round, by config alone."""

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS, TASK_UTILS
from mmengine.model import BaseModule
from model_builders import CLASSES, EMBEDDED, FEATURES, build_model, make_targets, make_video, run
from torch import nn
from torch.nn import functional as F

from fsptal_mm.models import PointFocalLoss, SnippetScores
from fsptal_mm.models.task_modules import nms, soft_nms
from fsptal_mm.structures import PointTargets
from fsptal_mm.utils.errors import InputError

try:
    import mmcv.ops
    import mmdet.models  # noqa: F401
except ImportError:
    mmcv = None


@pytest.fixture(autouse=True)
def registered():
    """A head, a neck and losses of somebody else."""

    @MODELS.register_module(force=True)
    class ForeignHead(nn.Module):
        """Head that is no subclass of our heads: scores from a hidden layer, with our miner and our point loss."""

        def __init__(self, in_channels, miner, point_loss, **_):
            super().__init__()
            self.layers = nn.Sequential(
                nn.Linear(in_channels, 16), nn.Tanh(), nn.LayerNorm(16), nn.Linear(16, CLASSES + 1)
            )
            self.miner = TASK_UTILS.build(miner)
            self.point_loss = MODELS.build(point_loss)

        def loss(self, batch, data_samples):
            scores = SnippetScores.from_logits(batch.pad(self.layers(batch.features)))
            given = PointTargets.from_samples(data_samples, batch.mask)
            self.mined = self.miner(scores.final.detach(), scores.background_scores.detach(), given)
            return self.point_loss(scores.final, scores.background_scores, self.mined)

    @MODELS.register_module(force=True)
    class ForeignNeck(BaseModule):
        """Neck that adds the mean of the video to every snippet."""

        def forward(self, batch):
            videos = batch.split(batch.features)
            return batch.with_features(batch.join([video + video.mean(0) for video in videos]))

    @MODELS.register_module(force=True)
    class ForeignLoss(nn.Module):
        """Focal loss of exponent 2, with the arguments of a loss of OpenMMLab."""

        def forward(self, pred, target, weight=None, avg_factor=None, reduction_override=None):
            return F.binary_cross_entropy(pred, target, reduction=reduction_override) * (pred - target) ** 2

    yield
    for name in ('ForeignHead', 'ForeignNeck', 'ForeignLoss'):
        MODELS.module_dict.pop(name)


def actions_and_points():
    """Three videos whose features show the actions, with a point in each action."""
    videos = []
    for seed in range(3):
        features, sample = make_video(12, [(3, 0, 0), (8, 1, 1)])
        features = 0.3 * torch.randn(features.shape, generator=torch.Generator().manual_seed(seed))
        features[2:5, 0] += 2
        features[7:9, 1] += 2
        videos.append((features, sample))
    return videos


def train(model, steps=60):
    """Train a model, and return the losses of the first and the last step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    history = []
    for _ in range(steps):
        total = sum(run(model, actions_and_points()).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        history.append(total.item())
    model.eval()
    return history[0], history[-1]


def test_a_foreign_head_learns_behind_a_foreign_neck_with_our_miner_and_loss():
    miner, point_loss = (
        dict(type='PseudoLabelMiner', background_threshold=0.7, action_threshold=0.5),
        dict(type='PointFocalLoss'),
    )
    trunk = dict(type='SnippetEmbedding', in_channels=FEATURES, out_channels=EMBEDDED)
    model = dict(embedding=[trunk, dict(type='ForeignNeck')])
    model = build_model('ForeignHead', model=model, miner=miner, point_loss=point_loss)
    first, last = train(model)
    assert last < 0.3 * first
    mined = model.head.mined
    assert mined.labels.sum() > 2 * len(mined.mask)  # also snippets beside the points are labelled
    assert mined.background_labels[:, [0, 6]].all()
    assert not mined.background_labels[:, [3, 8]].any()


def compare_with_point_focal_loss(loss):
    torch.manual_seed(0)
    targets = make_targets(torch.randint(-1, 2, (2, 6, 2)), torch.rand(2, 6) < 0.5)
    targets.background_labels[targets.labels.any(-1)] = False
    scores = torch.rand(2, 6, 2), torch.rand(2, 6)
    found = MODELS.build(dict(type='ElementwisePointLoss', loss=loss, background_weight=3.0))(*scores, targets)
    expected = PointFocalLoss(background_weight=3.0)(*scores, targets)
    assert set(found) == set(expected)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name])


def test_an_element_wise_loss_is_averaged_as_ours():
    compare_with_point_focal_loss(dict(type='ForeignLoss'))


@pytest.mark.skipif(mmcv is not None, reason='compiled mmcv is installed')
def test_compiled_nms_is_refused_where_it_is_absent():
    with pytest.raises(InputError, match=r"nms.type: found 'mmcv.nms', expected compiled mmcv"):
        TASK_UTILS.build(dict(type='ProposalGenerator', nms=dict(type='mmcv.nms', iou_threshold=0.5)))


@pytest.mark.full
@pytest.mark.skipif(mmcv is None, reason='compiled mmcv and mmdet are not installed: `make test-full`')
class TestFull:
    def test_focal_loss_of_mmdet_is_ours_up_to_a_factor(self):
        # alpha weighs actions, and 1 - alpha the rest, so 0.5 halves both.
        loss = dict(type='mmdet.FocalLoss', activated=True, gamma=2.0, alpha=0.5, loss_weight=2.0)
        compare_with_point_focal_loss(loss)

    def test_a_model_learns_with_focal_loss_and_nms_of_the_toolbox(self):
        loss = dict(type='mmdet.FocalLoss', activated=True, alpha=0.5)
        model = build_model(
            'PointTALHead',
            point_loss=dict(type='ElementwisePointLoss', loss=loss),
            proposals=dict(type='ProposalGenerator', nms=dict(type='mmcv.nms', iou_threshold=0.5)),
        )
        first, last = train(model)
        assert last < 0.5 * first

    @pytest.mark.parametrize(
        'config, ours',
        [
            (dict(type='mmcv.nms', iou_threshold=0.4), lambda *case: nms(*case, 0.4)),
            (
                dict(type='mmcv.soft_nms', method='gaussian', sigma=0.5, min_score=0.01),
                lambda *case: soft_nms(*case, sigma=0.5, min_score=0.01),
            ),
        ],
    )
    def test_compiled_nms_does_as_ours_does(self, config, ours):
        rng = np.random.default_rng(0)
        start = rng.random(100) * 50
        case = np.stack([start, start + rng.random(100) * 10 + 0.1], 1), rng.random(100).astype(np.float32)
        generator = TASK_UTILS.build(dict(type='ProposalGenerator', nms=config))
        for segments, scores in (case, (np.zeros((0, 2)), np.zeros(0, np.float32))):
            keep, kept_scores = generator.nms(segments, scores, **generator.nms_args)
            expected, expected_scores = ours(segments, scores)
            assert keep.tolist() == expected.tolist()
            np.testing.assert_allclose(kept_scores, expected_scores, rtol=1e-4)
            assert kept_scores.dtype == scores.dtype
