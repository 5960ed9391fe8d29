import pytest
import torch
from tiny_run import batches, make_runner

from fsptal_mm.utils.errors import InputError

HEAD = dict(type='HRProHead', momentum=0.0, encoder=dict(num_heads=2))


def test_prototypes_are_means_at_all_points_of_the_first_weights(tmp_path):
    # With the learning rate 0, the weights do not change.
    runner = make_runner(tmp_path, [dict(type='PrototypeHook')], HEAD)
    runner.train()
    model = runner.model.eval()
    prototypes = model.head.memory.prototypes.clone()
    model.head.memory.prototypes.zero_()
    at_points = {0: [], 1: []}
    for inputs, (sample,) in batches(runner):
        batch = model.embed(inputs, [sample])
        rows = batch.pad(model.head.encode(batch).features)[0].detach()
        for snippet, label in (sample.snippet_instances >= 0).nonzero().tolist():
            at_points[label].append(rows[snippet])
    for label, rows in at_points.items():
        assert len(rows) > 4
        torch.testing.assert_close(prototypes[label], torch.stack(rows).mean(0))


def test_a_head_without_prototypes_is_refused(tmp_path):
    runner = make_runner(tmp_path, [dict(type='PrototypeHook')], dict(type='MILHead'))
    with pytest.raises(InputError, match=r'model\.head'):
        runner.train()
