import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample

from fsptal_mm.utils.errors import InputError

TERMS = {
    'loss_background',
    'loss_point_action',
    'loss_point_background',
    'loss_score',
    'loss_separation_background',
    'loss_separation_action',
    'loss_separation_between',
}


def build(trunk='SnippetEmbedding', **switches):
    torch.manual_seed(0)
    return MODELS.build(
        dict(
            type='PointTAL',
            embedding=dict(type=trunk, in_channels=6, out_channels=8),
            head=dict(type='FSPTALHead', num_classes=3, in_channels=8, dropout=0.0) | switches,
        )
    )


def make_video(length, points, background=()):
    """Features and sample of a video with ``points`` of (snippet, class, instance)."""
    instances = torch.full((length, 3), -1, dtype=torch.int32)
    for snippet, label, instance in points:
        instances[snippet, label] = instance
    sample = ActionDataSample(metainfo=dict(video_id='v', num_snippets=length))
    sample.snippet_instances = instances
    sample.background_labels = torch.zeros(length, dtype=torch.bool)
    sample.background_labels[list(background)] = True
    sample.gt_video_labels = (instances >= 0).any(0).float()
    return torch.randn(length, 6, generator=torch.Generator().manual_seed(length)), sample


def losses_of(model, videos):
    data = dict(inputs=[video for video, _ in videos], data_samples=[sample for _, sample in videos])
    return model(**model.data_preprocessor(data, True), mode='loss')


VIDEOS = [
    make_video(40, [(5, 0, 0), (6, 0, 0), (20, 1, 1), (30, 0, 2)]),
    make_video(9, [(4, 2, 0)]),
    make_video(23, [(3, 0, 0), (4, 0, 1), (3, 2, 2), (15, 1, 3)]),
]


AFFINITY = dict(trunk='AffinityEmbedding', separation=None)  # module D as in the paper


@pytest.mark.parametrize('form', [{}, AFFINITY], ids=['branch', 'affinity convolution'])
def test_a_batch_has_the_losses_and_gradients_of_its_videos(form):
    model = build(**form)

    def run(videos):
        model.zero_grad()
        losses = losses_of(model, videos)
        sum(losses.values()).backward()
        return dict(losses), {name: parameter.grad.clone() for name, parameter in model.named_parameters()}

    single = [run([video]) for video in VIDEOS]
    losses, gradients = run(VIDEOS)
    assert set(losses) == TERMS
    for found, part in ((losses, 0), (gradients, 1)):
        for name, value in found.items():
            torch.testing.assert_close(value, sum(pair[part][name] for pair in single) / 3, rtol=1e-4, atol=1e-5)


def test_mined_actions_can_be_seeds_only():
    switches = dict(miner=dict(type='PseudoLabelMiner', background_threshold=None, action_threshold=1.0))
    as_labels, as_seeds = (build(mined_actions=use, **switches) for use in ('labels', 'seeds'))
    given_only = build(miner=dict(type='PseudoLabelMiner', background_threshold=None, action_threshold=None))
    losses, seeds, given = (losses_of(model, VIDEOS) for model in (as_labels, as_seeds, given_only))
    assert losses['loss_point_action'] != seeds['loss_point_action']
    assert seeds['loss_point_action'] == given['loss_point_action']  # only the given points are labels
    assert seeds['loss_score'] == losses['loss_score']  # the search starts from mined ones all the same
    assert seeds['loss_point_background'] == losses['loss_point_background']


def test_away_from_all_segments_is_background():
    model = build(background_margin=0.5)
    samples = [sample for _, sample in VIDEOS]
    batch = model.embed(model.data_preprocessor(dict(inputs=[video for video, _ in VIDEOS]))['inputs'])
    given, targets, segments = model.head.mine(batch, samples)
    away = segments.away_from_actions(batch.mask, 0.5)
    assert targets.background_labels[away].all()
    model.head.background_margin = None
    mined = model.head.mine(batch, samples)[1].background_labels
    assert (away & ~mined).any()
    assert torch.equal(targets.background_labels, mined | away)  # mined background stays what it was
    assert not (targets.background_labels & given.labels.any(-1)).any()


def test_mined_actions_are_labels_or_seeds():
    with pytest.raises(InputError, match=r"FSPTALHead\.mined_actions: found 'none'"):
        build(mined_actions='none')


def test_the_background_margin_is_no_negative_number():
    with pytest.raises(InputError, match=r'FSPTALHead\.background_margin: found -1'):
        build(background_margin=-1)


@pytest.mark.parametrize(
    'switches, missing',
    [
        (dict(score_loss=None), {'loss_score'}),
        (dict(separation_loss=None), {term for term in TERMS if 'separation' in term}),
    ],
)
def test_modules_are_switched_off_one_by_one(switches, missing):
    assert set(losses_of(build(**switches), VIDEOS)) == TERMS - missing


@pytest.mark.parametrize(
    'video',
    [
        pytest.param(make_video(1, [(0, 1, 0)]), id='one snippet'),
        pytest.param(make_video(3, [(t, 0, t) for t in range(3)]), id='all labelled, touching instances'),
        pytest.param(make_video(6, [(2, 0, 0), (2, 1, 1)]), id='two classes at one snippet'),
        pytest.param(make_video(5, []), id='no point'),
        pytest.param(make_video(5, [], range(5)), id='all background'),
    ],
)
@pytest.mark.parametrize('form', [{}, AFFINITY], ids=['branch', 'affinity convolution'])
def test_edges_give_finite_losses_and_a_gradient_for_every_parameter(video, form):
    assert_trainable(build(**form), [video])


def assert_trainable(model, videos):
    """All losses and gradients are finite, and every parameter has one."""
    losses = losses_of(model, videos)
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values()), losses
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_a_class_without_seeds_has_no_segments():
    features, sample = make_video(30, [(5, 0, 0)])
    sample.gt_video_labels[2] = 1.0  # known to occur, but nobody has clicked it
    model = build()
    segments = model.head.mine(model.embed(model.data_preprocessor(dict(inputs=[features]))['inputs']), [sample])[2]
    assert segments.label.tolist() == [0]
    assert_trainable(model, [(features, sample)])


@pytest.mark.parametrize('background_segments', [False, True])
@pytest.mark.parametrize('logit', [-1e4, 1e4], ids=['scores 0', 'scores 1'])
def test_saturated_scores_train_on(logit, background_segments):
    class Constant(torch.nn.Linear):
        def forward(self, features):
            return super().forward(features) + logit  # sigmoid gives exactly 0 or 1, for b and all classes

    model = build(searcher=dict(type='SegmentSearcher', background_segments=background_segments))
    model.head.classifier = Constant(8, 4)
    assert_trainable(model, VIDEOS)


@pytest.mark.parametrize('form', [{}, AFFINITY], ids=['branch', 'affinity convolution'])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_trains(dtype, form):
    model = build(**form)
    with torch.autocast('cpu', dtype=dtype):
        assert_trainable(model, VIDEOS)


def test_twenty_thousand_snippets():
    points = [(t, t // 100 % 3, t // 100) for t in range(50, 20_000, 100)]
    assert_trainable(build(separation=dict(type='SeparationBranch', embed_channels=8)), [make_video(20_000, points)])
    assert_trainable(build(**AFFINITY), [make_video(20_000, points)])


def test_segments_are_searched_in_scores_without_dropout():
    model = build(dropout=0.7)
    seen = []
    search = model.head.searcher
    model.head.searcher = lambda *args: seen.append(search(*args)) or seen[-1]
    for seed in (1, 2):
        torch.manual_seed(seed)
        losses_of(model, VIDEOS)
    assert torch.equal(seen[0].start, seen[1].start)
    assert torch.equal(seen[0].stop, seen[1].stop)
