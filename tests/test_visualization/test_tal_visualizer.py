import pytest
from refusals import refused
from test_timeline_builder import CLASSES, sample

from fsptal_mm.visualization import TALVisualizer


@pytest.fixture
def visualizer(tmp_path):
    visualizer = TALVisualizer(vis_backends=[dict(type='LocalVisBackend')], save_dir=str(tmp_path / 'run'))
    visualizer.dataset_meta = dict(classes=CLASSES)
    return visualizer


def test_a_picture_goes_to_the_backends_or_to_a_file_of_its_own(visualizer, tmp_path, monkeypatch):
    visualizer.add_datasample('v', None, sample(), out_file=tmp_path / 'out/v.svg')
    text = (tmp_path / 'out/v.svg').read_text()
    assert 'ground truth' in text
    assert 'proposals run' in text
    assert not list((tmp_path / 'run').rglob('*.png'))
    shown = []
    monkeypatch.setattr(visualizer, 'show', lambda image, win_name, wait_time: shown.append((win_name, wait_time)))
    visualizer.add_datasample('val_v', None, sample(), step=3, show=True, wait_time=2)
    assert [path.name for path in (tmp_path / 'run').rglob('*.png')] == ['val_v_3.png']
    assert shown == [('val_v', 2)]


@pytest.mark.parametrize(
    'options, shown, hidden',
    [(dict(draw_gt=False), 'proposals run', 'ground truth'), (dict(draw_pred=False), 'ground truth', 'proposals run')],
)
def test_parts_can_be_left_out(options, shown, hidden, visualizer, tmp_path):
    visualizer.add_datasample('v', None, sample(), out_file=tmp_path / 'v.svg', **options)
    text = (tmp_path / 'v.svg').read_text()
    assert shown in text
    assert hidden not in text


def test_classes_must_be_known(visualizer):
    visualizer.dataset_meta = None
    with refused('classes'):
        visualizer.add_datasample('v', None, sample())
