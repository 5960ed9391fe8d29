import pytest
import torch
from model_builders import EMBEDDED, FEATURES, FORMS, VIDEOS, build_model, embed, losses_and_gradients, run

from fsptal_mm.utils.errors import InputError


def members_of(model):
    """The members of an ensemble as models of their own, each with its part of the trunk."""
    singles = []
    for number, head in enumerate(model.head.members):
        single = build_model()
        single.head.load_state_dict(head.state_dict())
        own = slice(number * EMBEDDED, (number + 1) * EMBEDDED)
        single.embedding.load_state_dict({name: value[own] for name, value in model.embedding.state_dict().items()})
        singles.append(single)
    return singles


def ensemble(**options):
    return build_model(**FORMS['ensemble'] | options)


def test_members_train_like_models_of_their_own():
    model = ensemble()
    losses, gradients = losses_and_gradients(model, VIDEOS)
    singles = [losses_and_gradients(single, VIDEOS) for single in members_of(model)]
    for name, loss in losses.items():
        torch.testing.assert_close(loss, (singles[0][0][name] + singles[1][0][name]) / 2)
    for number, (_, own) in enumerate(singles):
        # The loss is a mean over two members, so gradients are halves.
        for name, value in model.head.members[number].named_parameters():
            torch.testing.assert_close(value.grad, own[f'head.{name}'] / 2)
        part = gradients['embedding.conv.weight'][number * EMBEDDED : (number + 1) * EMBEDDED]
        torch.testing.assert_close(part, own['embedding.conv.weight'] / 2)
    assert not torch.equal(*(single[1]['head.classifier.weight'] for single in singles))


def test_actions_are_detected_from_mean_scores():
    model = ensemble().eval()
    singles = [single.eval() for single in members_of(model)]
    expected = [single.head.predict_scores(embed(single, VIDEOS)[0]).final for single in singles]
    batch, samples = embed(model, VIDEOS)
    scores = model.head.predict_scores(batch)
    torch.testing.assert_close(scores.final, sum(expected) / 2)
    torch.testing.assert_close(scores.final, model.head.clean_scores(batch).final)
    found = run(model, VIDEOS, 'predict')
    again = singles[0].head.predict_by_feat(scores, batch.mask, samples)
    for one, other in zip(found, again):
        assert torch.equal(one.pred_segments.segments_sec, other.pred_segments.segments_sec)
        assert torch.equal(one.pred_segments.scores, other.pred_segments.scores)


def test_an_ensemble_of_one_is_its_member():
    trunk = dict(type='SnippetEmbedding', in_channels=FEATURES, out_channels=EMBEDDED)
    model, single = ensemble(num_members=1, model=dict(embedding=trunk)), build_model()
    single.head.load_state_dict(model.head.members[0].state_dict())
    single.embedding.load_state_dict(model.embedding.state_dict())
    for name, loss in run(single, VIDEOS).items():
        assert torch.equal(loss, run(model, VIDEOS)[name])


def test_labels_for_figures_are_mined_from_mean_scores():
    model = ensemble()
    batch, samples = embed(model, VIDEOS)
    scores = model.head.clean_scores(batch)
    _, targets, _ = model.head.mine(batch, samples)
    _, expected, _ = model.head.members[1].mine(model.head.parts(batch)[1], samples, scores)
    assert torch.equal(targets.labels, expected.labels)
    assert torch.equal(targets.background_labels, expected.background_labels)


def test_given_labels_reach_all_members():
    model = ensemble()
    model.head.train_on('points')
    singles = members_of(model)
    for single in singles:
        single.head.train_on('points')
    losses = [run(single, VIDEOS) for single in singles]
    for name, loss in run(model, VIDEOS).items():
        torch.testing.assert_close(loss, (losses[0][name] + losses[1][name]) / 2)


@pytest.mark.parametrize('member', ['PointTALHead', 'LACPHead'])
def test_other_heads_can_be_members(member):
    model = ensemble(member=member)
    sum(run(model, VIDEOS).values()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert all(sample.pred_segments is not None for sample in run(model.eval(), VIDEOS, 'predict'))


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(num_members=0), 'EnsembleHead.num_members'),
        (dict(num_members=3), r'model.embedding.out_channels.*3 members x 8 channels'),
        (dict(member='MILHead'), 'EnsembleHead.member.*MILHead'),
    ],
)
def test_wrong_ensembles_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        run(ensemble(**options), VIDEOS)
