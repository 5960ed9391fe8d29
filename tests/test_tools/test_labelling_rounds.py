import json

import pytest
from tool_modules import load_tool

tool = load_tool('experiments/labelling_rounds')


ROUNDS = [dict(points=10, mAP=20.0, videos=['a']), dict(points=20, mAP=15.0, videos=['a', 'b']),
          dict(points=40, mAP=40.0, videos=['a', 'b', 'c'])]  # fmt: skip


@pytest.mark.parametrize(
    'target, expected',
    [
        (12.0, 10),  # the first round reaches it
        (20.0, 10),
        (25.0, 28),  # interpolated between mAP 15 with 20 points and 40 with 40 points
        (40.0, 40),
        (41.0, None),
    ],
)
def test_points_are_counted_to_the_first_time_that_a_map_is_reached(target, expected):
    needed = tool.points_needed(ROUNDS, target)
    assert needed == expected if expected else needed != needed


def test_the_report_compares_seed_by_seed_with_the_last_map_at_random():
    text = tool.report({'suggested': {0: ROUNDS}, 'random': {0: [dict(points=90, mAP=25.0, videos=['a', 'd', 'e'])]}})
    (line,) = [line for line in text.splitlines() if line.startswith('seed 0')]
    assert '90 points' in line
    assert line.endswith(': 28')


@pytest.mark.slow
def test_strategies_begin_alike_and_finished_rounds_are_not_run_again(tmp_path, capsys):
    embedded = tmp_path / 'embedded'
    sizes = [f'{name}_dataloader.dataset.generator.{subset}_videos={count}'
             for name in ('train', 'test') for subset, count in (('train', 6), ('test', 2))]  # fmt: skip
    arguments = ['--seeds', '0', '--rounds', '2', '--videos', '2', '--steps', '2', '--work-dir', str(tmp_path / 'work')]
    arguments += ['--strategies', *tool.STRATEGIES, '--cfg-options', f'data_root={embedded}', *sizes]
    tool.main(arguments)
    curves = json.loads((tmp_path / 'work/labelling_rounds.json').read_text())
    assert set(curves) == set(tool.STRATEGIES)
    first = {json.dumps(by_seed['0'][0]) for by_seed in curves.values()}
    assert len(first) == 1
    for by_seed in curves.values():
        assert len(set(by_seed['0'][1]['videos'])) == 4
        assert by_seed['0'][1]['videos'][:2] == by_seed['0'][0]['videos']
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / 'work').rglob('epoch_*.pth')}
    assert len(times) == 5
    tool.main(arguments)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert json.loads((tmp_path / 'work/labelling_rounds.json').read_text()) == curves
