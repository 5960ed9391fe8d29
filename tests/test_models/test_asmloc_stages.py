"""Later stages of ASM-Loc, and the model that holds the chain of its stages."""

import math

import pytest
import torch
from host_sync import HostSyncs
from mmaction.registry import MODELS
from model_builders import CLASSES, EMBEDDED, FEATURES, VIDEOS, make_video, make_videos, run

from fsptal_mm.models.heads import SegmentAttention
from fsptal_mm.models.heads.asmloc_refined_head import segment_label_loss
from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import InputError


def build(num_refinements=2, **model):
    torch.manual_seed(0)
    common = dict(num_classes=CLASSES, in_channels=EMBEDDED, dropout=0.0)
    attention = dict(num_heads=2)
    levels = [0.4 + 0.025 * step for step in range(21)]
    return MODELS.build(
        dict(
            type='StagedPointTAL',
            embedding=dict(type='SnippetEmbedding', in_channels=FEATURES, out_channels=EMBEDDED),
            head=dict(type='ASMLocHead', **common),
            refined_head=dict(type='ASMLocRefinedHead', attention=attention, **common),
            num_refinements=num_refinements,
            stage_proposals=dict(type='ProposalGenerator', score_levels=[], background_levels=levels, min_points=2),
        )
        | model
    )


def start(model, stage, videos=VIDEOS):
    data = dict(inputs=[video for video, _ in videos], data_samples=[sample for _, sample in videos])
    model.eval()
    views = model.find_views(model.data_preprocessor(data)['inputs'], data['data_samples'], stage)
    model.start_stage(stage, views)
    return model.train(), views


def test_segment_label_loss_by_hand():
    # The softmax is [1/2, 1/4, 1/4] everywhere. A snippet of class 0 costs log 2, halved by u = log 2; a snippet of
    # both classes (log 2 + log 4) / 2; a snippet without a class log 4.
    logits = torch.tensor([2.0, 1.0, 1.0]).log().expand(1, 4, 3)
    labels = torch.tensor([[[True, False], [True, True], [False, False], [True, True]]])
    uncertainty = torch.tensor([[math.log(2), 0, 0, 50]])
    mask = torch.tensor([[True, True, True, False]])
    expected = (math.log(2) / 2 + 1.5 * math.log(2) + math.log(4) + 0.2 * math.log(2)) / 3
    assert segment_label_loss(logits, uncertainty, labels, mask, 0.2).item() == pytest.approx(expected)


def attention_and_videos(norm='ln'):
    torch.manual_seed(0)
    module = SegmentAttention(8, num_heads=2, norm=norm)
    for part in (module.within, module.among):
        torch.nn.init.ones_(part.norm.weight)
    features = [torch.randn(length, 8) for length in (9, 4, 1)]
    members = torch.zeros(3, 9, 2, dtype=torch.bool)
    members[0, 1:4, 0] = members[0, 3:6, 1] = members[1, :4, 0] = True
    return module, features, members


def test_attention_of_a_batch_is_that_of_its_videos():
    module, features, members = attention_and_videos()
    batch = SnippetBatch.from_videos(features)
    found = module(batch, members)
    assert not found.features[found.gaps].any()
    for rows, own, video in zip(features, members, found.split(found.features)):
        alone = module(SnippetBatch.from_videos([rows]), own[None, : len(rows)])
        torch.testing.assert_close(alone.split(alone.features)[0], video)


def test_attention_by_its_formulas():
    module, features, members = attention_and_videos()
    batch = SnippetBatch.from_videos(features[:1])
    rows, own = features[0], members[0]

    def attend(part, values, sees):
        heads = [layer(values).unflatten(1, (2, 4)).transpose(0, 1) for layer in (part.query, part.key, part.value)]
        logits = heads[0] @ heads[1].mT / 2
        shares = logits.masked_fill(~sees, -torch.inf).softmax(-1).nan_to_num(0)
        return (shares @ heads[2]).transpose(0, 1).flatten(1)

    together = (own[:, None] & own[None]).any(2)
    rows = rows + module.within.norm(module.within.out(attend(module.within, rows, together)))
    means = torch.stack([rows[1:4].mean(0), rows[3:6].mean(0)])
    gathered = attend(module.among, means, torch.ones(2, 2, dtype=torch.bool))
    back = torch.zeros(9, 8)
    back[1:3], back[3], back[4:6] = gathered[0], gathered.mean(0), gathered[1]
    rows = rows + module.among.norm(module.among.out(back))
    found = module(batch, members[:1])
    torch.testing.assert_close(found.split(found.features)[0], rows)


def test_attention_adds_nothing_at_first():
    module = SegmentAttention(8, num_heads=2)
    batch = SnippetBatch.from_videos([torch.randn(5, 8)])
    assert torch.equal(module(batch, torch.ones(1, 5, 1, dtype=torch.bool)).features, batch.features)


def test_batch_normalisation_sees_every_snippet_once_and_no_padding():
    module, features, members = attention_and_videos('bn')
    seen = []
    module.within.norm.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape))
    module(SnippetBatch.from_videos(features), members)
    assert seen == [(14, 8)]


def test_each_stage_trains_its_own_weights():
    model = build()
    for stage in range(3):
        if stage:
            start(model, stage)
        model.zero_grad()
        losses = run(model, VIDEOS)
        assert ('loss_segment' in losses) == (stage > 0)
        sum(losses.values()).backward()
        own = ('embedding.', 'head.') if not stage else (f'embeddings.{stage - 1}.', f'heads.{stage - 1}.')
        moved = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
        assert moved == {name for name, _ in model.named_parameters() if name.startswith(own)}


def test_training_reads_video_labels_alone():
    model = build()
    blind = [make_video(sample.num_snippets) for _, sample in VIDEOS]
    for (_, own), (_, given) in zip(blind, VIDEOS):
        own.gt_video_labels = given.gt_video_labels
        del own.snippet_instances, own.background_labels
    _, views = start(model, 1)
    losses = run(model, VIDEOS)
    _, again = start(model, 1, blind)
    assert all((views[name].labels == again[name].labels).all() for name in views)
    assert all(torch.equal(losses[name], loss) for name, loss in run(model, blind).items())


def test_proposals_of_training_videos_are_of_the_given_classes():
    _, views = start(build(), 1)
    for _, sample in VIDEOS:
        found = views[sample.video_id].labels.any(0)
        assert found.tolist() == (sample.gt_video_labels > 0).tolist()
    # As in the public code, a given class without a detection has no proposal.
    _, fewer = start(build(given_classes=False), 1)
    assert sum(view.labels.any(0).sum() for view in fewer.values()) < sum(
        view.labels.any(0).sum() for view in views.values()
    )


def test_a_video_without_a_class():
    # It gets no proposal, so that all its snippets are background; losses are finite, and a test goes through.
    blank = make_video(17)
    videos = [*VIDEOS, blank]
    model = build()
    for stage in (1, 2):
        _, views = start(model, stage, videos)
        assert not views['v17'].labels.any()
        assert views['v17'].warp.num_snippets == 17
        for batch in (videos, [blank]):
            model.zero_grad()
            losses = run(model, batch)
            sum(losses.values()).backward()
            assert all(torch.isfinite(loss) for loss in losses.values())
            gradients = [own.grad for own in model.parameters() if own.grad is not None]
            assert all(torch.isfinite(gradient).all() for gradient in gradients)
        assert losses['loss_foreground'] == losses['loss_context'] == 0
        assert losses['loss_segment'] > 0
    found = run(model.eval(), videos, 'predict')
    assert all(torch.isfinite(sample.pred_segments.scores).all() for sample in found)


def test_losses_of_a_batch_are_means_of_its_videos():
    model, _ = start(build(), 1)
    alone = [run(model, [video]) for video in VIDEOS]
    for name, loss in run(model, VIDEOS).items():
        torch.testing.assert_close(loss, sum(one[name] for one in alone) / len(alone))


def test_a_step_never_waits_for_the_device():
    for counts in (dict(num_videos=2, num_snippets=20), dict(num_videos=9, num_snippets=60)):
        videos = make_videos(num_instances=4, **counts)
        model, _ = start(build(), 1, videos)
        with HostSyncs() as syncs:
            sum(run(model, videos).values()).backward()
        assert not syncs.names


def test_a_test_runs_the_stages_that_have_begun():
    model = build()
    start(model, 1)
    model.eval()
    found = [own.pred_segments.clone() for own in run(model, VIDEOS, 'predict')]
    state = model.state_dict()
    other = build()
    torch.nn.init.zeros_(other.heads[1].classifier.weight)
    other.load_state_dict(state | {name: own for name, own in other.state_dict().items() if name.startswith('heads.1')})
    again = run(other.eval(), VIDEOS, 'predict')
    for first, second, (_, sample) in zip(found, again, VIDEOS):
        torch.testing.assert_close(first.segments_sec, second.pred_segments.segments_sec)
        assert (first.segments_sec[:, 1] <= sample.duration_sec).all()
        assert len(second.pred_scores) == CLASSES
    other.num_started.fill_(0)  # only the base model runs
    assert any(
        len(own.pred_segments.scores) != len(first.scores) for own, first in zip(run(other, VIDEOS, 'predict'), found)
    )


def test_a_batch_has_the_proposals_of_its_videos():
    model, _ = start(build(), 1)
    start(model, 2)
    model.eval()
    for found, video in zip(run(model, VIDEOS, 'predict'), VIDEOS, strict=True):
        segments = found.pred_segments.segments_sec.clone()
        (alone,) = run(model, [video], 'predict')
        torch.testing.assert_close(segments, alone.pred_segments.segments_sec)


def test_a_video_of_another_length_is_refused():
    model, _ = start(build(), 1)
    features, sample = make_video(12)
    sample.set_metainfo(dict(video_id='v40'))
    with pytest.raises(InputError, match='number of snippets'):
        run(model, [(features, sample)])


def test_resampled_videos_are_refused():
    features, sample = make_video(12)
    sample.set_metainfo(dict(snippet_positions=list(range(12))))
    with pytest.raises(InputError, match='ExtendPointLabels'):
        start(build(), 1, [(features, sample)])


@pytest.mark.parametrize(
    'field, build_it',
    [
        ('num_heads', lambda: SegmentAttention(8, 3)),
        ('norm', lambda: SegmentAttention(8, 2, 'gn')),
        ('num_refinements', lambda: build(0)),
        ('given_classes', lambda: build(given_classes='all')),
        ('uncertainty_weight', lambda: MODELS.build(
            dict(type='ASMLocRefinedHead', num_classes=2, in_channels=8, uncertainty_weight=-1))),
    ],
)  # fmt: skip
def test_bad_settings_are_refused(field, build_it):
    with pytest.raises(InputError, match=field):
        build_it()
