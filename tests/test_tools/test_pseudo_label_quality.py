import json

import pytest
from tool_modules import load_tool

tool = load_tool('analysis_tools/pseudo_label_quality')


def write_run(folder, name, ends):
    """Write dumps of a run: an action from 0 to 4, its pseudo segment from 0 to ``ends[epoch]``, background after 4."""
    for epoch, end in ends.items():
        path = folder / name / f'pseudo_labels/epoch_{epoch}.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [dict(label='jump', segment=[0, end])]
        video = dict(action=rows, segments=rows, background=[[4, 8]], given=[], edges_sec=list(range(9)))
        path.write_text(json.dumps({'v': video | dict(gt_segments=[dict(label='jump', segment=[0, 4])])}))
    return str(folder / name)


def test_runs_are_compared_as_table_json_and_plot(tmp_path, capsys):
    runs = [write_run(tmp_path, 'a', {0: 1, 10: 2}), write_run(tmp_path, 'b', {10: 8})]
    out = ['--json', str(tmp_path / 'q.json'), '--plot', str(tmp_path / 'q.svg')]
    tool.main([*runs, '--names', 'first', 'second', *out])
    lines = (line.split('|') for line in capsys.readouterr().out.splitlines() if line.startswith('|'))
    table = {cells[1].strip(): [cell.strip() for cell in cells[2:-1]] for cells in lines}
    assert table['first, 0 epochs done'] == ['100.00', '25.00', '100.00', '100.00', '25.00']
    assert table['first, 10 epochs done'] == ['100.00', '50.00', '100.00', '100.00', '50.00']
    assert table['second, 10 epochs done'] == ['50.00', '100.00', '100.00', '100.00', '50.00']
    figures = json.loads((tmp_path / 'q.json').read_text())
    assert figures['first']['10']['action_recall'] == figures['second']['10']['segment_tiou'] == 0.5
    assert all(f'>{name}<' in (tmp_path / 'q.svg').read_text() for name in ('first', 'second'))


@pytest.mark.parametrize('option, name', [('--json', 'q.json'), ('--plot', 'q.png')])
def test_what_cannot_be_written_is_said_in_one_line(tmp_path, option, name):
    (tmp_path / 'file').touch()
    with pytest.raises(SystemExit, match=rf'^error: .*/file/{name}: '):
        tool.main([write_run(tmp_path, 'a', {0: 1}), option, str(tmp_path / 'file' / name)])
