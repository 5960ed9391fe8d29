import cv2
import numpy as np
import pytest
from matplotlib.colors import to_hex
from refusals import refused

from fsptal_mm.evaluation.diagnosis import diagnose
from fsptal_mm.structures import Instances
from fsptal_mm.visualization import (
    draw_best_detections,
    draw_error_profile,
    draw_false_negatives,
    draw_sensitivity,
    save_figure,
)
from fsptal_mm.visualization.palette import GREEN, VERMILION  # colours of true positives and background errors


@pytest.fixture(scope='module')
def models():
    """Diagnoses of two models, on segments of 2 s and 10 s. The good model finds both segments.

    The bad model finds only the long segment, after a false positive of a higher score.
    """
    gt = Instances.from_videos([[[0, 2], [10, 20]]], [[0, 0]])
    good = Instances.from_videos([[[0, 2], [10, 20]]], [[0, 0]], [[2, 1]])
    bad = Instances.from_videos([[[50, 60], [10, 20]]], [[0, 0]], [[2, 1]])
    return {name: diagnose(gt, det, 1, [100], [0.3, 0.5]).to_dict() for name, det in (('good', good), ('bad', bad))}


def heights(axes):
    """Heights of the bars of a colour, from left to right."""
    bars = sorted(axes.patches, key=lambda bar: bar.get_x())
    colors = dict.fromkeys(to_hex(bar.get_facecolor()) for bar in bars)
    return {color: [bar.get_height() for bar in bars if to_hex(bar.get_facecolor()) == color] for color in colors}


def texts(axes):
    return [text.get_text() for text in axes.texts if text.get_text()]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_profile_has_a_column_for_each_model(models):
    figure = draw_error_profile(models)
    good, bad, _, gains = figure.axes
    assert good.get_title('left').startswith('good: 100.0 % mAP@0.3-0.5')
    assert heights(good)[GREEN] == [100] + [0] * 9
    # Both detections of the bad model are in the first bar: a true positive and a background error.
    assert heights(bad)[GREEN] == heights(bad)[VERMILION] == [50] + [0] * 9
    assert texts(bad) == ['50', '50']
    # Without the background error, its AP rises from 1/4 to 1/2; with one class, mAP_N is the same.
    assert [bar.get_width() for bar in gains.patches] == pytest.approx([0, 0, 0, 0, 25])
    assert texts(gains)[-1] == '+25.0'
    assert legend(figure)[0] == 'true positive'
    assert len(legend(figure)) == 6


def test_best_detections_of_all_models_in_one_axes(models):
    figure = draw_best_detections({**models, 'third': models['bad']})
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert [name.split(':')[0] for name in names] == ['good', 'bad', 'third']
    assert axes.yaxis_inverted()  # the first model is on top
    widths = {}
    for bar in axes.patches:
        if bar.get_width():
            widths[to_hex(bar.get_facecolor()), round(bar.get_y() + bar.get_height() / 2)] = bar.get_width()
    assert widths == {(GREEN, 0): 100, (GREEN, 1): 50, (VERMILION, 1): 50, (GREEN, 2): 50, (VERMILION, 2): 50}
    assert sorted(texts(axes)) == ['100', '50', '50', '50', '50']
    assert len(legend(figure)) == 6


def test_sensitivity_by_bucket(models):
    figure = draw_sensitivity(models)
    length, _, num_instances, ranges = figure.axes
    good, bad = heights(length).values()
    assert good == [100, 0, 100, 0, 0]
    # The long segment is found after a false positive: with I = 2, I / (I + 1) = 2/3. The short one is not found.
    assert bad == pytest.approx([0, 0, 200 / 3, 0, 0])
    assert texts(length) == ['100', '100', '0', '67']  # buckets without instances have no number
    assert [label.get_text() for label in length.get_xticklabels()][:2] == ['XS\n≤ 3 s\nn = 1', 'S\n≤ 6 s\nn = 0']
    assert [label.get_text() for label in num_instances.get_xticklabels()][-1] == 'L\n> 80\nn = 0'
    # Dashed lines are the figures on all instances.
    assert [line.get_ydata()[0] for line in length.lines] == pytest.approx([100, 25])
    assert texts(ranges) == ['0', '0', '0', '67', '67', '0']
    assert legend(figure) == ['good', 'bad', 'all instances']


def test_false_negatives_by_bucket(models):
    length, coverage, _ = draw_false_negatives(models).axes
    assert list(heights(length).values()) == [[0, 0, 0, 0, 0], [100, 0, 0, 0, 0]]
    assert coverage.get_xticklabels()[0].get_text() == 'XS\n≤ 2 %\nn = 1'
    assert [line.get_ydata()[0] for line in length.lines] == [0, 50]


def test_no_detection_and_odd_names(tmp_path):
    gt = Instances.from_videos([[[0, 2]]], [[0]])
    nothing = diagnose(gt, Instances.from_videos([[]], [[]], [[]]), 1, [None], [0.5]).to_dict()
    models = {'a$b_$': nothing, 'folder/' * 20: nothing}
    for draw in (draw_error_profile, draw_best_detections, draw_sensitivity, draw_false_negatives):
        save_figure(draw(models), tmp_path / f'{draw.__name__}.svg')
    good, bad, *_ = draw_error_profile(models).axes
    assert good.get_title('left').startswith(r'a\$b_\$: 0.0 % mAP@0.5')
    assert bad.get_title('left').startswith('...')
    assert len(bad.get_title('left')) < 55


def test_picture_is_written(models, tmp_path):
    save_figure(draw_error_profile(models), tmp_path / 'new/profile.png')
    image = cv2.imread(str(tmp_path / 'new/profile.png')).astype(int)
    is_green = np.abs(image - [0x73, 0x9E, 0x00]).max(axis=-1) < 5
    half = image.shape[1] // 2
    # The first bar of the model on the left is all green, that of the model on the right is half green.
    assert is_green[:, :half].sum() > 1.8 * is_green[:, half:].sum() > 5000
    with refused("found '.gif'"):
        save_figure(draw_false_negatives(models), tmp_path / 'new/a.gif')
    assert len(list((tmp_path / 'new').iterdir())) == 1
