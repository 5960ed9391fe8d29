"""Heads within the detector: batches and single videos, edge cases, half precision, labels that are read, options."""

import math

import pytest
import torch
from model_builders import (
    FORMS,
    VIDEOS,
    assert_trainable,
    build_model,
    embed,
    losses_and_gradients,
    make_clicked,
    make_video,
    run,
)

from fsptal_mm.models import MILHead, SnippetScores
from fsptal_mm.utils.errors import InputError

VIDEO_LEVEL = {'background', 'foreground'}
POINT_LEVEL = {'point_action', 'point_background'}
SEPARATION = {f'separation_{kind}' for kind in ('background', 'action', 'between')}
FSPTAL = {'background', 'score', *POINT_LEVEL, *SEPARATION}
BACKTAL = {'base', 'suppressed', 'sparsity', 'click', 'score', 'embedding'}
DELU = {'video', 'suppressed', 'evidence', 'uncertain', 'guide', 'sparsity', 'mutual', 'co_activity'}
SFNET = {'video', 'frame', 'actionness'}
TERMS = {
    'base': VIDEO_LEVEL | POINT_LEVEL,
    'fsptal': FSPTAL,
    'affinity convolution': FSPTAL,
    'without C': FSPTAL - {'score'},
    'without D': FSPTAL - SEPARATION,
    'variants': FSPTAL | {'foreground'},
    'ensemble': FSPTAL,
    'lacp': {'video', 'score', 'feature', *POINT_LEVEL},
    'mil': VIDEO_LEVEL,
    'asmloc': {'foreground', 'background', 'context'},
    'hrpro': {*POINT_LEVEL, 'contrast'},
    **dict.fromkeys(['backtal', 'backtal by thirds'], BACKTAL),
    **dict.fromkeys(['delu', 'delu on features'], DELU),
    **dict.fromkeys(['sfnet', 'sfnet of two streams', 'sfnet by logits'], SFNET),
}
OF_BATCH = {'DELUHead': {'co_activity'}, 'SFNetHead': {'frame', 'actionness'}}  # terms over all videos of a batch
OURS = list(TERMS)[:9]
each_form = pytest.mark.parametrize('form', TERMS)


def build(form):
    """A model with random biases, as after some training steps; biases of 0 would hide their effect on padding."""
    model = build_model(**FORMS[form])
    for name, values in model.head.state_dict().items():
        if name.endswith('bias') or name == 'memory.prototypes':
            values.add_(0.1 * torch.randn(values.shape))
    return model


def videos_of(form):
    """Videos with labels of all kinds that a form learns from."""
    return VIDEOS if form in OURS else make_clicked()


@pytest.fixture(autouse=True)
def sampled_in_the_middle(monkeypatch):
    """Let LACP always take the same snippets, instead of random ones."""
    monkeypatch.setattr(torch, 'rand', lambda size, device=None: torch.full(size, 0.5, device=device))


@each_form
def test_a_batch_has_the_losses_and_gradients_of_its_videos(form):
    model, videos, terms = build(form), videos_of(form), TERMS[form]
    joining = OF_BATCH.get(type(model.head).__name__, set())
    terms = {f'loss_{name}' for name in terms - joining}
    losses, gradients = losses_and_gradients(model, videos, terms)
    single = [losses_and_gradients(model, [video], terms) for video in videos]
    for found, part in ((losses, 0), (gradients, 1)):
        for name, value in found.items():
            if value is not None:
                mean = sum(pair[part][name] for pair in single) / len(videos)
                torch.testing.assert_close(value, mean, rtol=1e-4, atol=1e-5, msg=lambda text, n=name: f'{n}: {text}')


@each_form
def test_one_step_trains_every_weight(form):
    model = build(form)
    assert all(loss.requires_grad for loss in run(model, videos_of(form)).values())
    losses, gradients = losses_and_gradients(model, videos_of(form))
    assert set(losses) == {f'loss_{name}' for name in TERMS[form]}
    assert all(losses.values())
    for name, gradient in gradients.items():
        assert gradient is not None, name  # distributed training waits for the gradients of all parameters
        assert torch.isfinite(gradient).all(), name
        is_bias_of_keys = '.key.' in name and name.endswith('bias')  # a bias of keys changes no attention
        assert gradient.abs().max() > 1e-9 or is_bias_of_keys, name


@each_form
def test_a_batch_has_the_proposals_of_its_videos(form):
    model, videos, count = build(form).eval(), videos_of(form), 0
    for found, video in zip(run(model, videos, 'predict'), videos, strict=True):
        segments, scores = found.pred_segments.segments_sec.clone(), found.pred_scores.clone()
        (alone,) = run(model, [video], 'predict')
        torch.testing.assert_close(segments, alone.pred_segments.segments_sec)
        torch.testing.assert_close(scores, alone.pred_scores)
        assert ((segments >= 0) & (segments <= alone.duration_sec)).all()
        count += len(segments)
    assert count


def test_a_batch_has_the_scores_of_its_videos():
    model = build_model('PointTALHead').eval()
    scores = run(model, VIDEOS, 'tensor')
    assert scores.shape == (4, 40, 4)
    for row, video in zip(scores, VIDEOS, strict=True):
        torch.testing.assert_close(row[: len(video[0])], run(model, [video], 'tensor')[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('form', ['mil', 'asmloc', 'delu', 'backtal'])
def test_only_the_labels_that_a_method_has_are_read(form):
    model, videos = build(form), videos_of(form)
    losses, blind = run(model, videos), []
    for features, given in videos:
        _, sample = make_video(given.num_snippets)
        sample.gt_video_labels = given.gt_video_labels
        if form == 'backtal':
            sample.background_labels = given.background_labels
        else:
            del sample.snippet_instances, sample.background_labels
        blind.append((features, sample))
    assert run(model, blind) == losses


@pytest.mark.parametrize('form', OURS)
def test_edges_are_trainable(form):
    model = build(form)
    of_two_classes = make_video(6, [(2, 0, 0), (2, 1, 1)])
    all_labelled_and_touching = make_video(3, [(t, 0, t) for t in range(3)])
    for video in (VIDEOS[2], of_two_classes, all_labelled_and_touching, make_video(5), make_video(5, [], range(5))):
        assert_trainable(model, [video])


@pytest.mark.parametrize('form', ['fsptal', 'affinity convolution', 'lacp'])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_trains(dtype, form):
    with torch.autocast('cpu', dtype=dtype):
        assert_trainable(build(form), VIDEOS)


@pytest.mark.parametrize('logit', [-1e4, 1e4], ids=['scores 0', 'scores 1'])
def test_saturated_scores_train_on(logit):
    class Constant(torch.nn.Linear):
        def forward(self, features):
            return super().forward(features) + logit  # sigmoid gives exactly 0 or 1, for b and all classes

    for background_segments in (False, True):
        model = build_model(searcher=dict(type='SegmentSearcher', background_segments=background_segments))
        model.head.classifier = Constant(8, 4)
        assert_trainable(model, VIDEOS)


@pytest.mark.parametrize('head', ['PointTALHead', 'FSPTALHead', 'LACPHead'])
def test_mined_labels_do_not_depend_on_dropout(head):
    model, mined = build_model(head, dropout=0.7), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        _, targets, segments = model.head.mine(*embed(model.train(), VIDEOS))
        mined.append([targets.background_labels, targets.snippet_instances])
        mined[-1] += [] if segments is None else [segments.start, segments.stop]
    assert all(torch.equal(*pair) for pair in zip(*mined, strict=True))


def test_video_scores_of_a_test_are_the_heads_own_whatever_the_loss_pools():
    model = build_model('PointTALHead', video_loss=dict(type='VideoLevelLoss', topk_divisor=1), topk_divisor=5).eval()
    batch, _ = embed(model, VIDEOS[:1])
    (sample,) = run(model, VIDEOS[:1], 'predict')
    best = model.head.clean_scores(batch).classes[0].topk(40 // 5, dim=0).values
    torch.testing.assert_close(sample.pred_scores, best.mean(0))


def test_mined_actions_can_be_seeds_only():
    switches = dict(miner=dict(type='PseudoLabelMiner', background_threshold=None, action_threshold=1.0))
    losses, seeds = (run(build_model(mined_actions=use, **switches), VIDEOS) for use in ('labels', 'seeds'))
    given = run(build_model(miner=switches['miner'] | dict(action_threshold=None)), VIDEOS)
    assert losses['loss_point_action'] != seeds['loss_point_action']
    assert seeds['loss_point_action'] == given['loss_point_action']  # only the given points are labels
    assert seeds['loss_score'] == losses['loss_score']  # the search still starts from mined actions
    assert seeds['loss_point_background'] == losses['loss_point_background']


def test_away_from_all_segments_is_background():
    model = build_model(background_margin=0.5)
    batch, samples = embed(model, VIDEOS)
    given, targets, segments = model.head.mine(batch, samples)
    away = segments.away_from_actions(batch.mask, 0.5)
    model.head.background_margin = None
    mined = model.head.mine(batch, samples)[1].background_labels
    assert (away & ~mined).any()
    assert torch.equal(targets.background_labels, mined | away)  # mined background is kept
    assert not (targets.background_labels & given.labels.any(-1)).any()


def test_a_class_without_seeds_has_no_segments():
    features, sample = make_video(30, [(5, 0, 0)])
    sample.gt_video_labels[2] = 1.0  # the class is in the video labels, but has no point
    model = build_model()
    assert model.head.mine(*embed(model, [(features, sample)]))[2].label.tolist() == [0]
    assert_trainable(model, [(features, sample)])


def test_video_level_scores_of_a_head_come_before_pooled_ones():
    model, (_, sample) = build_model('MILHead'), make_video(23)
    scores = torch.linspace(0, 1, 69).view(1, 23, 3)
    own = SnippetScores(scores, torch.zeros(1, 23), scores, videos=torch.tensor([[0.1, 0.7, 0.2]]))
    (found,) = model.head.predict_by_feat(own, torch.ones(1, 23, dtype=torch.bool), [sample])
    assert found.pred_scores.tolist() == pytest.approx([0.1, 0.7, 0.2])
    assert set(found.pred_segments.labels.tolist()) == {1}


def test_losses_of_mil_by_hand():
    # The largest scores are pooled: Q = 0.8 and b = 0.5 with the targets 1 and 1; without background, q (1 - b) = 0.6
    # and b (1 - b) = 0.25 with the targets 1 and 0.
    classes, background = torch.tensor([[[0.8], [0.4]]]), torch.tensor([[0.25, 0.5]])
    scores = SnippetScores(classes, background, classes * (1 - background[..., None]))
    head = MILHead(num_classes=1, in_channels=2)
    losses = head.loss_by_feat(scores, torch.ones(1, 2, dtype=torch.bool), torch.ones(1, 1))
    assert losses['loss_background'].item() == pytest.approx(-(math.log(0.8) + math.log(0.5)) / 2)
    assert losses['loss_foreground'].item() == pytest.approx(-(math.log(0.6) + math.log(0.75)) / 2)


@pytest.mark.parametrize(
    'options, field',
    [
        *((FORMS[form] | dict(num_classes=2), 'num_classes: found 2, expected 3')
          for form in ('base', 'fsptal', 'lacp', 'mil', 'asmloc')),
        (dict(num_classes=4), r'model\.head\.num_classes: found 4, expected 3'),
        (dict(in_channels=16), r'model\.head\.in_channels: found 16, expected 8'),
        (dict(mined_actions='none'), r"FSPTALHead\.mined_actions: found 'none'"),
        (dict(separation=None), r'model\.head\.separation: .* AffinityEmbedding'),
        (dict(separation=None, trunk='TransformerEmbedding'), r'model\.head\.separation: .* AffinityEmbedding'),
        (FORMS['asmloc'] | dict(background_divisor=0), 'background_divisor'),
        (FORMS['asmloc'] | dict(foreground_weight=-1), 'foreground_weight'),
        (FORMS['asmloc'] | dict(background_weight='a'), 'background_weight'),
        (FORMS['asmloc'] | dict(context_weight=-0.1), 'context_weight'),
        (FORMS['backtal'] | dict(labels='segments'), 'labels'),
        (FORMS['backtal'] | dict(affinity='rows'), 'affinity'),
        (FORMS['backtal'] | dict(hidden_channels=2), 'hidden_channels'),
        (FORMS['backtal'] | dict(psi_same=2), 'psi_same'),
        (FORMS['delu'] | dict(streams=None), 'streams'),
        (FORMS['delu'] | dict(streams=(8,)), 'streams'),
        (FORMS['delu'] | dict(streams=(4, 5)), 'streams'),
        (FORMS['delu'] | dict(streams=(0, 8)), r'streams\[0\]'),
        (FORMS['delu'] | dict(filter_dropout=2), 'filter_dropout'),
        (FORMS['delu'] | dict(scores='sigmoid'), 'scores'),
        (FORMS['delu'] | dict(mutual_weight=-1), 'mutual_weight'),
        (FORMS['delu'] | dict(co_activity_loss=dict(type='CoActivityLoss', num_pairs=-1)), 'num_pairs'),
        (FORMS['delu'] | dict(uncertainty_loss=dict(type='UncertaintyGuideLoss', course='inverse')), 'course'),
        (FORMS['hrpro'] | dict(encoder=dict(num_heads=3)), 'num_heads'),
        (FORMS['hrpro'] | dict(tokens='columns'), 'tokens'),
        (FORMS['hrpro'] | dict(seeds='mined'), 'seeds'),
        (FORMS['hrpro'] | dict(temperature=0), 'temperature'),
        (FORMS['hrpro'] | dict(momentum=2), 'momentum'),
        (FORMS['sfnet'] | dict(num_streams=3), 'num_streams'),
        (FORMS['sfnet'] | dict(num_streams=2, in_channels=7), 'in_channels'),
        (FORMS['sfnet'] | dict(actionness_negatives='first'), 'actionness_negatives'),
        (FORMS['sfnet'] | dict(scores='sigmoid'), 'scores'),
        (FORMS['sfnet'] | dict(max_background_share=2), 'max_background_share'),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused(options, field):
    with pytest.raises(InputError, match=field):
        run(build_model(**options), VIDEOS)


def test_a_mining_pass_checks_the_dimension_too():
    model = build_model(in_channels=16)
    with pytest.raises(InputError, match=r'model\.head\.in_channels: found 16, expected 8'):
        model.head.mine(*embed(model, VIDEOS))
