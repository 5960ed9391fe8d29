import cv2
import numpy as np
import pytest
from test_timeline_builder import CLASSES, sample

from fsptal_mm.utils.errors import InputError
from fsptal_mm.visualization import FrameStrip, TALVisualizer


@pytest.fixture
def visualizer(tmp_path):
    visualizer = TALVisualizer(vis_backends=[dict(type='LocalVisBackend')], save_dir=str(tmp_path / 'run'))
    visualizer.dataset_meta = dict(classes=CLASSES)
    return visualizer


def height(path):
    return cv2.imread(str(path)).shape[0]


def test_a_picture_goes_to_the_backends(visualizer, tmp_path):
    visualizer.add_datasample('val_v', None, sample(), step=3)
    assert [path.name for path in (tmp_path / 'run').rglob('*.png')] == ['val_v_3.png']


def test_a_file_of_its_own_goes_to_no_backend(visualizer, tmp_path):
    visualizer.add_datasample('v', None, sample(), out_file=tmp_path / 'out/v.svg')
    text = (tmp_path / 'out/v.svg').read_text()
    assert 'ground truth' in text
    assert 'proposals run' in text
    assert not list((tmp_path / 'run').rglob('*.png'))


@pytest.mark.parametrize(
    'options, shown, hidden',
    [(dict(draw_gt=False), 'proposals run', 'ground truth'), (dict(draw_pred=False), 'ground truth', 'proposals run')],
)
def test_parts_can_be_left_out(options, shown, hidden, visualizer, tmp_path):
    visualizer.add_datasample('v', None, sample(), out_file=tmp_path / 'v.svg', **options)
    text = (tmp_path / 'v.svg').read_text()
    assert shown in text
    assert hidden not in text


def test_frames_stand_above_the_rows(visualizer, tmp_path):
    frames = FrameStrip(np.array([5.0, 15.0]), [np.zeros((20, 30, 3), np.uint8)] * 2)
    visualizer.add_datasample('v', None, sample(), out_file=tmp_path / 'without.png')
    visualizer.add_datasample('v', frames, sample(), out_file=tmp_path / 'with.png')
    assert height(tmp_path / 'with.png') > height(tmp_path / 'without.png') + 100


def test_a_window_shows_the_picture_too(visualizer, monkeypatch, tmp_path):
    shown = []
    monkeypatch.setattr(visualizer, 'show', lambda image, win_name, wait_time: shown.append((win_name, wait_time)))
    visualizer.add_datasample('v', None, sample(), show=True, wait_time=2)
    assert shown == [('v', 2)]
    assert len(list((tmp_path / 'run').rglob('*.png'))) == 1


def test_classes_must_be_known(visualizer):
    visualizer.dataset_meta = None
    with pytest.raises(InputError, match='classes'):
        visualizer.add_datasample('v', None, sample())
