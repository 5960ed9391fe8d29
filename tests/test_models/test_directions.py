import pytest
import torch

from fsptal_mm.models.directions import CosineLinear, directions
from fsptal_mm.models.heads import PointTALHead
from fsptal_mm.structures import SnippetBatch


def test_directions_and_their_gradients_by_hand():
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1e-5, 0.0]], requires_grad=True)
    torch.testing.assert_close(directions(rows.half())[:2], torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
    (found,) = torch.autograd.grad(directions(rows), rows, torch.tensor([[1.0, 0.0], [2.0, 0.0], [1.0, 0.0]]))
    # The first gradient is ((1, 0) - 0.6 (0.6, 0.8)) / 5. Features that are shorter than 1e-4 are only divided by 1e-4.
    torch.testing.assert_close(found, torch.tensor([[0.128, -0.096], [2e4, 0.0], [1e4, 0.0]]))


def test_cosine_to_the_direction_of_each_class():
    classifier = CosineLinear(2, 2)
    with torch.no_grad():
        classifier.weight.copy_(torch.tensor([[5.0, 0.0], [1.0, 1.0]]))
        classifier.bias.copy_(torch.tensor([0.0, -1.0]))
    logits = classifier(directions(torch.tensor([[0.0, 7.0], [2.0, 0.0]])))
    # The cosines are 0 and 1/sqrt(2) for the first, 1 and 1/sqrt(2) for the second snippet; the initial scale is 10.
    torch.testing.assert_close(logits, torch.tensor([[0.0, 10 / 2**0.5 - 1], [10.0, 10 / 2**0.5 - 1]]))


@pytest.mark.parametrize('cosine', [False, True])
def test_a_head_by_cosine_does_not_see_how_large_features_are(cosine):
    torch.manual_seed(0)
    head = PointTALHead(num_classes=3, in_channels=8, cosine=cosine)
    batch = SnippetBatch.from_videos([torch.rand(5, 8) + 0.1])
    dropped, clean = head(batch), head.clean_scores(batch).classes
    logits = head.eval()(batch)
    assert not torch.allclose(dropped, logits)
    torch.testing.assert_close(clean, logits[batch.rows][..., :-1].sigmoid())  # the scores from which labels are mined
    same = torch.allclose(logits, head(batch.with_features(batch.features * 4)), atol=1e-5)
    assert same is cosine
