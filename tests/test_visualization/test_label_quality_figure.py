import numpy as np
from matplotlib.colors import to_hex

from fsptal_mm.visualization import label_quality_figure

RUNS = {
    'a': {0: {'action_recall': 0.1, 'segment_tiou': 0.3}, 10: {'action_recall': 0.2, 'action_precision': 0.9}},
    'b': {5: {'segment_tiou': 0.6}},
}


def test_lines_are_the_figures_of_the_runs():
    figure = label_quality_figure(RUNS)
    lines = {line.get_label(): line for axes in figure.axes for line in axes.lines}
    recall, precision = lines['a: action_recall'], lines['a: action_precision']
    assert recall.get_xydata().tolist() == [[0, 0.1], [10, 0.2]]
    np.testing.assert_array_equal(precision.get_ydata(), [np.nan, 0.9])  # NaN, since nothing was mined at first
    assert (precision.get_linestyle(), recall.get_linestyle()) == ('-', '--')
    assert lines['b: segment_tiou'].get_xydata().tolist() == [[5, 0.6]]
    assert lines['b: segment_tiou'] in figure.axes[2].lines
    assert {to_hex(line.get_color()) for name, line in lines.items() if name[0] == 'a'} == {'#e69f00'}
    assert {to_hex(line.get_color()) for name, line in lines.items() if name[0] == 'b'} == {'#56b4e9'}
    assert [text.get_text() for text in figure.legends[0].texts] == ['a', 'b', 'precision, tIoU', 'recall']
