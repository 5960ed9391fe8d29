import itertools

import pytest
import torch
from model_builders import make_targets
from peak_memory import LargestTensor
from torch.nn import functional as F

from fsptal_mm.models.losses.feature_separation import FeatureSeparationLoss, feature_separation_loss
from fsptal_mm.structures import SnippetBatch

LENGTHS = (40, 1, 23, 2)


def one_video(rows, classes, background):
    """A batch of one video, from its rows, the set of classes (0, 1) of every snippet, and the background snippets."""
    labels = torch.tensor([[[c in own for c in range(2)] for own in classes]])
    chosen = torch.tensor([[t in background for t in range(len(rows))]])
    batch = SnippetBatch.from_videos([torch.tensor(rows)])
    batch.features.requires_grad_()
    return batch, labels, chosen


def random_case(seed, lengths=LENGTHS, dim=5):
    """Embeddings of several videos with random labels; some short videos have no action or no background snippet."""
    generator = torch.Generator().manual_seed(seed)
    batch = SnippetBatch.from_videos([torch.randn(length, dim, generator=generator) for length in lengths])
    batch.features.requires_grad_()
    kind = torch.randint(5, batch.mask.shape, generator=generator)
    labels = torch.stack([(kind == 0) | (kind == 1), (kind == 1) | (kind == 2)], -1) & batch.mask[..., None]
    return batch, labels, (kind == 3) & batch.mask


def separate(batch, labels, background, class_aware=False, **switches):
    """The three terms of action labels ``(B, T, C)`` and background ``(B, T)``."""
    kinds = torch.stack([labels.any(-1), background])
    return feature_separation_loss(batch, kinds, labels if class_aware else None, **switches)


def naive_loss(batch, labels, background, class_aware, anchor_background=False):
    """Eq. 11-13 from the whole matrix of cosines, video by video."""
    terms = []
    for video, rows in enumerate(batch.split(batch.features)):
        own, behind = labels[video, : len(rows)], background[video, : len(rows)]
        cosine = F.cosine_similarity(rows[:, None], rows[None], dim=-1)
        action = own.any(-1)
        sums = torch.zeros(3)
        if behind.any():
            sums[0] = (0.95 - cosine[behind][:, behind].min(1).values).relu().mean()
        if action.any():
            shared = (own[:, None] & own[None]).any(-1)[action][:, action]
            alike = cosine[action][:, action]
            alike = alike.masked_fill(~shared, 2) if class_aware else alike
            sums[1] = (0.95 - alike.min(1).values).relu().mean()
        if action.any() and behind.any():
            sums[2] = (cosine[action][:, behind].max(1).values - 0.1).relu().mean()
            if anchor_background:
                sums[2] = sums[2] + (cosine[behind][:, action].max(1).values - 0.1).relu().mean()
        terms.append(sums)
    return torch.stack(terms).mean(0)


FAN = [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]  # cosines: 0.8 of first and second, 0.6 of second and third, else 0


@pytest.mark.parametrize(
    'rows, classes, background, switches, expected, reason',
    [
        (
            # The cosine of the two background snippets is 0.6, with the hinge 0.35; that of the two action snippets is
            # 0, with the hinge 0.95. The most similar background snippets of the actions have the cosines 1 and 0.8,
            # with the hinges 0.9 and 0.7. The last row has no label; if it had partners, its cosines of -1 would change
            # a term.
            *([[2.0, 0.0], [0.0, 1.0], [3.0, 4.0], [3.0, 0.0], [-1.0, 0.0]], [{0}, {0}, {}, {}, {}], {2, 3}, {}),
            (0.35, 0.95, 0.8),
            'all three terms; lengths do not matter',
        ),
        # The least similar partners of the three snippets have the cosines 0, 0.6 and 0: hinges 0.95, 0.35 and 0.95.
        (FAN, [{0}, {0}, {1}], {}, {}, (0, 0.75, 0), 'every snippet is an anchor; no background'),
        (FAN, [{}, {}, {}], {0, 1, 2}, {}, (0.75, 0, 0), 'the same as background'),
        # The only action, an anchor, has the cosine 0.8 with the closer background. With background rows as further
        # anchors, their hinges 0.7 and 0 are averaged, too.
        (FAN, [{0}, {}, {}], {1, 2}, {}, (0.35, 0, 0.7), 'action rows are the anchors between kinds'),
        (FAN, [{0}, {}, {}], {1, 2}, dict(anchor_background=True), (0.35, 0, 0.7 + 0.35), 'a fourth term'),
        # The snippets of class 0 have the cosine 0.8, with the hinge 0.15. The third snippet is alone in class 1, so
        # its partner is itself: cosine 1, hinge 0.
        (FAN, [{0}, {0}, {1}], {}, dict(class_aware=True), (0, 0.1, 0), 'pairs share a class'),
        # The least cosines are 0.8, 0.6 and 0.6, with the hinges 0.15, 0.35 and 0.35.
        (FAN, [{0}, {0, 1}, {1}], {}, dict(class_aware=True), (0, 0.85 / 3, 0), 'two classes pair with either'),
        (
            # The cosine of the actions, 0.96, is above 0.95. Their cosines with background are 0 and 0.28, so only 0.28
            # - 0.1 is left, halved by the mean.
            *([[0.0, 1.0], [0.28, 0.96], [1.0, 0.0]], [{0}, {0}, {}], {2}, {}),
            (0, 0, 0.09),
            'nothing beyond the thresholds; a snippet alone in its kind is its own partner',
        ),
    ],
)
def test_terms_by_hand(rows, classes, background, switches, expected, reason):
    found = separate(*one_video(rows, classes, background), **switches)
    assert [term.item() for term in found] == pytest.approx(expected, abs=1e-6), reason


@pytest.mark.parametrize('classes, background', [([{}, {}], {}), ([{0}, {}], {}), ([{}, {}], {0})])
def test_terms_without_pairs_are_zero_and_connected(classes, background):
    batch, labels, chosen = one_video([[1.0, 0.0], [0.0, 1.0]], classes, background)
    for term in separate(batch, labels, chosen):
        assert term.item() == 0
        # Raises if the term does not depend on the features.
        (grad,) = torch.autograd.grad(term, batch.features, retain_graph=True)
        assert (grad == 0).all()


@pytest.mark.parametrize(
    'class_aware, anchor_background, lengths',
    [
        *itertools.product([False, True], [False, True], [LENGTHS]),
        (True, True, (2600, 3)),  # more pairs than are held at once
    ],
)
def test_losses_and_gradients_are_those_of_the_whole_matrix(class_aware, anchor_background, lengths):
    for seed in range(5 if lengths == LENGTHS else 1):
        batch, labels, background = random_case(seed, lengths)
        switches = dict(class_aware=class_aware, anchor_background=anchor_background)
        found = torch.stack(separate(batch, labels, background, **switches))
        want = naive_loss(batch, labels, background, **switches)
        torch.testing.assert_close(found, want, rtol=1e-5, atol=1e-6)
        weights = torch.tensor([1.0, 2.0, 3.0])  # different weights, so that exchanged terms are found
        (found_grad,) = torch.autograd.grad((found * weights).sum(), batch.features)
        (want_grad,) = torch.autograd.grad((want * weights).sum(), batch.features)
        torch.testing.assert_close(found_grad, want_grad, rtol=1e-4, atol=1e-6)
        assert found_grad.abs().max() > 0.01 / len(found_grad)


def test_no_tensor_grows_with_the_square_of_the_length():
    batch, labels, background = random_case(0, lengths=(6000, 500), dim=4)
    with LargestTensor() as largest:
        sum(separate(batch, labels, background, class_aware=True, anchor_background=True)).backward()
    assert largest.numel < 3000**2  # more than half of the 6000 snippets are actions


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_and_zero_embeddings_stay_finite(dtype):
    batch, labels, background = random_case(0)
    with torch.no_grad():
        batch.features[3:6] = 0
        batch.features[6:9] = 3e4  # squares overflow in float16
        batch.features[9:12] = 1e-5  # squares underflow in float16
    # The first embedding is 0 and has no direction. Its gradient is half of 1 / (the least norm, by which it is
    # divided).
    of_two = one_video([[0.0, 0.0], [1.0, 0.0]], [{}, {}], {0, 1})
    for case, *its_labels in ((batch, labels, background), of_two):
        case = case.with_features(case.features.detach().to(dtype).requires_grad_())
        terms = separate(case, *its_labels)
        sum(terms).backward()
        assert all(torch.isfinite(term) and term.dtype == torch.float32 for term in terms)
        assert torch.isfinite(case.features.grad).all()


def test_autocast_does_not_change_the_choice_of_partners():
    batch, labels, background = random_case(0, lengths=(300,), dim=4)
    want = separate(batch, labels, background)
    with torch.autocast('cpu', torch.bfloat16):
        found = separate(batch, labels, background)
    assert found == want


def test_module_names_the_terms_and_weighs_them():
    rows = [[2.0, 0.0], [0.0, 1.0], [3.0, 4.0], [3.0, 0.0]]
    batch, labels, background = one_video(rows, [{0}, {0}, {}, {}], {2, 3})
    targets = make_targets(labels.int() - 1, background)
    losses = FeatureSeparationLoss(psi_same=0.9, psi_diff=0.2, loss_weight=2.0)(batch, targets)
    # The terms are 0.9 - 0.6, 0.9 - 0, and the mean of 1 - 0.2 and 0.8 - 0.2, all with the weight 2.
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(
        dict(loss_separation_background=0.6, loss_separation_action=1.8, loss_separation_between=1.4)
    )
