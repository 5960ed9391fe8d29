import pytest
import torch

from fsptal_mm.models.dropout import Dropout


@pytest.mark.parametrize('p', [0.1, 0.7])
def test_what_is_kept_is_divided_by_the_share_that_is_kept(p):
    torch.manual_seed(0)
    rows = torch.rand(1000, 1001) + 0.5  # not a multiple of the four elements that share a draw
    found = Dropout(p)(rows)
    kept = found != 0
    torch.testing.assert_close(found[kept], rows[kept] / (1 - p), rtol=1e-4, atol=0)
    assert kept.float().mean().item() == pytest.approx(1 - p, abs=0.002)  # four standard deviations
    assert found.mean().item() == pytest.approx(rows.mean().item(), rel=0.01)


def test_elements_are_dropped_one_by_one():
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(400_000)) != 0).float().view(-1, 4)  # the elements that share a draw
    # Any two of four agree half of the time, and each place and each row of four keeps half.
    assert torch.cov(kept.t()) == pytest.approx(0.25 * torch.eye(4), abs=0.004)
    assert kept.mean(0).tolist() == pytest.approx([0.5] * 4, abs=0.01)
    assert (kept.sum(1) == 4).float().mean().item() == pytest.approx(1 / 16, abs=0.004)


def test_gradients_are_dropped_as_the_features_are():
    rows = torch.rand(30, 20) + 0.5
    rows.requires_grad_()
    found = Dropout(0.7)(rows)
    (grad,) = torch.autograd.grad(found.sum(), rows)
    torch.testing.assert_close(grad, (found / rows).detach())


def test_a_seed_decides():
    rows, dropout = torch.ones(50, 3), Dropout(0.5)
    first, again, other = (torch.manual_seed(seed) and dropout(rows) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_nothing_is_dropped_outside_of_training_or_without_a_share():
    rows = torch.rand(5, 3)
    assert Dropout(0.7).eval()(rows) is rows
    assert Dropout(0.0)(rows) is rows


def test_all_is_dropped_at_a_share_of_one():
    assert (Dropout(1.0)(torch.rand(50, 3)) == 0).all()


def test_a_tiny_share_keeps_nearly_all():
    assert (Dropout(1e-9)(torch.ones(1000)) > 0).sum() > 990


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_type_of_the_features_stays(dtype):
    found = Dropout(0.75)(torch.ones(100, dtype=dtype))
    assert found.dtype == dtype
    assert set(found.tolist()) == {0.0, 4.0}


def test_no_elements():
    assert Dropout(0.5)(torch.zeros(0, 4)).shape == (0, 4)
