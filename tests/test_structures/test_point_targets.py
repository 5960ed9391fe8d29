import torch
from model_builders import make_targets


def test_with_other_background_only_that_changes():
    given = make_targets([[[0], [-1], [-1]]], background=[[False, False, True]])
    assert given.kinds.tolist() == [[[True, False, False]], [[False, False, True]]]
    other = given.with_background(torch.tensor([[False, True, False]]))
    assert other.kinds.tolist() == [[[True, False, False]], [[False, True, False]]]
    assert other.labels.tolist() == [[[True], [False], [False]]]
    assert other.is_action is given.is_action  # the cached value is shared
