"""Parts of the package under parts of others, and the other way round, by config alone."""

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS, TASK_UTILS
from mmaction.structures import ActionDataSample
from mmengine.model import BaseModule
from torch import nn
from torch.nn import functional as F

from fsptal_mm.models import PointFocalLoss, SnippetScores
from fsptal_mm.models.task_modules import nms, soft_nms
from fsptal_mm.structures import PointTargets, SnippetBatch, SnippetGrid
from fsptal_mm.utils.errors import InputError

try:
    import mmcv.ops
    import mmdet.models  # noqa: F401
except ImportError:
    mmcv = None
full = [
    pytest.mark.full,
    pytest.mark.skipif(mmcv is None, reason='compiled mmcv and mmdet are not installed: `make test-full`'),
]
NUM_CLASSES = 2


@pytest.fixture
def registered():
    """A head and a neck of somebody else."""

    @MODELS.register_module(force=True)
    class ForeignHead(nn.Module):
        """Knows nothing of our heads: scores by a hidden layer, our miner, our point loss."""

        def __init__(self, in_channels, miner, point_loss):
            super().__init__()
            self.layers = nn.Sequential(
                nn.Linear(in_channels, 16), nn.Tanh(), nn.LayerNorm(16), nn.Linear(16, NUM_CLASSES + 1)
            )
            self.miner = TASK_UTILS.build(miner)
            self.point_loss = MODELS.build(point_loss)
            self.mined = None

        def forward(self, batch):
            return self.layers(batch.features)

        def loss(self, batch, data_samples):
            scores = SnippetScores.from_logits(batch.pad(self(batch)))
            given = PointTargets.from_samples(data_samples, batch.mask)
            self.mined = self.miner(scores.final.detach(), scores.background_scores.detach(), given)
            return self.point_loss(scores.final, scores.background_scores, self.mined)

    @MODELS.register_module(force=True)
    class ForeignVideoLoss(nn.Module):
        """Squared error of the mean scores."""

        def forward(self, class_scores, background_scores, mask, video_labels, foreground_scores=None):
            mean = class_scores.masked_fill(~mask[..., None], 0).sum(1) / mask.sum(1, keepdim=True)
            return dict(loss_video=(mean - video_labels).square().mean())

    @MODELS.register_module(force=True)
    class ForeignNeck(BaseModule):
        """Adds the mean of the video to every snippet."""

        def forward(self, batch):
            videos = batch.split(batch.features)
            return batch.with_features(batch.join([video + video.mean(0) for video in videos]))

    @MODELS.register_module(force=True)
    class ForeignLoss(nn.Module):
        def forward(self, pred, target, weight=None, avg_factor=None, reduction_override=None):
            return F.binary_cross_entropy(pred, target, reduction=reduction_override) * (pred - target) ** 2

    yield
    for name in ('ForeignHead', 'ForeignNeck', 'ForeignLoss', 'ForeignVideoLoss'):
        MODELS.module_dict.pop(name)


def make_videos():
    """Features in which snippets 2-4 are an action of class 0 and 7-8 one of class 1, and a point in each."""
    videos = []
    for seed in range(3):
        features = 0.3 * np.random.default_rng(seed).standard_normal((12, 4), dtype=np.float32)
        features[2:5, 0] += 2
        features[7:9, 1] += 2
        sample = ActionDataSample(
            metainfo=dict(video_id=f'v{seed}', num_snippets=12, grid=SnippetGrid(1.0), duration_sec=12.0)
        )
        sample.snippet_instances = torch.full((12, NUM_CLASSES), -1, dtype=torch.int32)
        sample.snippet_instances[3, 0], sample.snippet_instances[8, 1] = 0, 1
        sample.background_labels = torch.zeros(12, dtype=torch.bool)
        sample.gt_video_labels = torch.ones(NUM_CLASSES)
        videos.append((torch.from_numpy(features), sample))
    return videos


def train(config, steps=60):
    """Losses of the first and the last step, and the model."""
    torch.manual_seed(0)
    model = MODELS.build(config)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    inputs, samples = zip(*make_videos())
    history = []
    for _ in range(steps):
        data = model.data_preprocessor(dict(inputs=list(inputs), data_samples=list(samples)), True)
        losses = model(**data, mode='loss')
        total = sum(losses.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        history.append(total.item())
    return history[0], history[-1], model.eval()


BASE = dict(
    type='PointTAL',
    embedding=dict(type='SnippetEmbedding', in_channels=4, out_channels=8),
    head=dict(
        type='PointTALHead',
        num_classes=NUM_CLASSES,
        in_channels=8,
        dropout=0.0,
        proposals=dict(type='ProposalGenerator'),
    ),
)
FOREIGN_HEAD = dict(
    type='ForeignHead',
    in_channels=8,
    miner=dict(type='PseudoLabelMiner', background_threshold=0.7),
    point_loss=dict(type='PointFocalLoss'),
)
NECK = [BASE['embedding'], dict(type='ForeignNeck')]


@pytest.mark.parametrize('embedding', [BASE['embedding'], NECK], ids=['our embedding', 'a neck behind it'])
def test_a_foreign_head_learns_with_our_miner_and_loss(registered, embedding):
    first, last, model = train(BASE | dict(head=FOREIGN_HEAD, embedding=embedding))
    assert last < 0.3 * first
    mined, given = model.head.mined, PointTargets.from_samples([s for _, s in make_videos()], model.head.mined.mask)
    assert mined.labels.sum() > given.labels.sum()  # snippets beside a point
    assert mined.background_labels[:, [0, 6]].all()
    assert not mined.background_labels[:, [3, 8]].any()


@pytest.mark.parametrize(
    'embedding',
    [
        NECK,
        dict(type='SnippetEmbedding', in_channels=4, out_channels=8, norm_cfg=dict(type='LN')),
        dict(type='TransformerEmbedding', in_channels=4, out_channels=8, num_heads=2, dropout=0.0),
        dict(type='TransformerEmbedding', in_channels=4, out_channels=8, num_heads=2, dropout=0.0, window=3),
    ],
    ids=['neck', 'layer norm', 'transformer', 'local transformer'],
)
def test_our_head_learns_over_other_trunks(registered, embedding):
    first, last, model = train(BASE | dict(embedding=embedding))
    assert last < 0.5 * first
    check_proposals(model)


def check_proposals(model):
    """The best proposal of each class lies on the action, which is a third of a video or less."""
    inputs, samples = zip(*make_videos())
    data = model.data_preprocessor(dict(inputs=list(inputs), data_samples=list(samples)))
    with torch.no_grad():
        found = model(**data, mode='predict')
    for sample in found:
        proposals = sample.pred_segments
        for label, (start, end) in enumerate([(2, 5), (7, 9)]):
            best_start, best_end = proposals.segments_sec[proposals.labels == label][0].tolist()
            overlap = min(end, best_end) - max(start, best_start)
            assert overlap / (max(end, best_end) - min(start, best_start)) > 0.3


def compare_with_point_focal_loss(loss):
    torch.manual_seed(0)
    targets = PointTargets(
        torch.randint(-1, 2, (2, 6, NUM_CLASSES), dtype=torch.int32),
        torch.rand(2, 6) < 0.5,
        torch.ones(2, NUM_CLASSES),
        torch.ones(2, 6, dtype=torch.bool),
    )
    targets.background_labels[targets.labels.any(-1)] = False
    scores, background = torch.rand(2, 6, NUM_CLASSES), torch.rand(2, 6)
    adapter = MODELS.build(dict(type='ElementwisePointLoss', loss=loss, background_weight=3.0))
    found, expected = (
        adapter(scores, background, targets),
        PointFocalLoss(background_weight=3.0)(scores, background, targets),
    )
    assert set(found) == set(expected)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name])


@pytest.mark.parametrize('topk_divisor', [1, 4])
def test_our_head_predicts_under_a_foreign_video_loss(registered, topk_divisor):
    head = BASE['head'] | dict(video_loss=dict(type='ForeignVideoLoss'), topk_divisor=topk_divisor)
    first, last, model = train(BASE | dict(head=head))
    assert last < 0.5 * first
    inputs, samples = zip(*make_videos())
    data = model.data_preprocessor(dict(inputs=list(inputs), data_samples=list(samples)))
    best = model.head.clean_scores(model.embed(data['inputs'])).classes.topk(12 // topk_divisor, dim=1).values
    found = torch.stack([sample.pred_scores for sample in model(**data, mode='predict')])
    torch.testing.assert_close(found, best.mean(1))


def test_an_element_wise_loss_is_averaged_as_ours(registered):
    compare_with_point_focal_loss(dict(type='ForeignLoss'))  # focal loss of exponent 2 in other words


@pytest.mark.skipif(mmcv is not None, reason='compiled mmcv is installed')
def test_compiled_suppression_is_refused_where_it_is_absent():
    with pytest.raises(InputError, match=r"nms.type: found 'mmcv.nms', expected compiled mmcv"):
        TASK_UTILS.build(dict(type='ProposalGenerator', nms=dict(type='mmcv.nms', iou_threshold=0.5)))


class TestFull:
    pytestmark = full

    def test_focal_loss_of_mmdet_is_ours_up_to_a_factor(self):
        # alpha weighs actions and (1 - alpha) the rest: one half of both
        loss = dict(type='mmdet.FocalLoss', activated=True, gamma=2.0, alpha=0.5, loss_weight=2.0)
        compare_with_point_focal_loss(loss)

    def test_a_model_learns_with_focal_loss_and_nms_of_the_toolbox(self):
        head = BASE['head'] | dict(
            point_loss=dict(type='ElementwisePointLoss', loss=dict(type='mmdet.FocalLoss', activated=True, alpha=0.5)),
            proposals=dict(type='ProposalGenerator', nms=dict(type='mmcv.nms', iou_threshold=0.5)),
        )
        first, last, model = train(BASE | dict(head=head))
        assert last < 0.5 * first
        check_proposals(model)

    @pytest.mark.parametrize('seed', range(3))
    def test_compiled_suppression_keeps_what_ours_keeps(self, seed):
        segments, scores = random_segments(seed)
        generator = TASK_UTILS.build(dict(type='ProposalGenerator', nms=dict(type='mmcv.nms', iou_threshold=0.4)))
        keep, kept_scores = generator.nms(segments, scores, **generator.nms_args)
        expected, expected_scores = nms(segments, scores, 0.4)
        assert keep.tolist() == expected.tolist()
        np.testing.assert_allclose(kept_scores, expected_scores)
        assert kept_scores.dtype == scores.dtype

    def test_compiled_soft_suppression_lowers_scores_as_ours_does(self):
        segments, scores = random_segments(0)
        config = dict(type='mmcv.soft_nms', method='gaussian', sigma=0.5, min_score=0.01)
        generator = TASK_UTILS.build(dict(type='ProposalGenerator', nms=config))
        keep, kept_scores = generator.nms(segments, scores, **generator.nms_args)
        expected, expected_scores = soft_nms(segments, scores, sigma=0.5, min_score=0.01)
        assert keep.tolist() == expected.tolist()
        np.testing.assert_allclose(kept_scores, expected_scores, rtol=1e-4)

    @pytest.mark.parametrize('config', [dict(type='mmcv.nms', iou_threshold=0.4), dict(type='mmcv.soft_nms')])
    def test_nothing_in_nothing_out(self, config):
        generator = TASK_UTILS.build(dict(type='ProposalGenerator', nms=config))
        keep, scores = generator.nms(np.zeros((0, 2)), np.zeros(0, np.float32), **generator.nms_args)
        assert keep.shape == scores.shape == (0,)

    def test_a_head_of_mmdet_takes_our_embedding(self):
        """Its 1 x 1 box head, in which a snippet is a region: a foreign head over our trunk, by config."""
        embedding = MODELS.build(BASE['embedding'])
        head = MODELS.build(
            dict(
                type='mmdet.BBoxHead',
                in_channels=8,
                roi_feat_size=1,
                num_classes=NUM_CLASSES,
                with_reg=False,
                with_avg_pool=True,
            )
        )
        batch = embedding(SnippetBatch.from_videos([torch.randn(5, 4)]))
        scores, _ = head(batch.features[:, :, None, None])
        assert scores.shape == (7, NUM_CLASSES + 1)


def random_segments(seed):
    rng = np.random.default_rng(seed)
    start = rng.random(100) * 50
    return np.stack([start, start + rng.random(100) * 10 + 0.1], 1), rng.random(100).astype(np.float32)
