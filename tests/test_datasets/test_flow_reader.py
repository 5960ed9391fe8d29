import cv2
import numpy as np
import pytest
from tiny_videos import write_video
from video_writing import write_frames

from fsptal_mm.datasets.videos.flow import FlowFolderReader, TVL1Reader, check_source
from fsptal_mm.datasets.videos.reader import open_video
from fsptal_mm.utils.errors import InputError


def write_flow(folder, pairs):
    folder.mkdir(parents=True)
    for index in range(pairs):
        for axis, value in (('x', index), ('y', 200 - index)):
            cv2.imwrite(str(folder / f'flow_{axis}_{index + 1:05}.png'), np.full((8, 10), value, np.uint8))


@pytest.mark.parametrize('pairs', [20, 19])
def test_images_on_disk(tmp_path, pairs):
    path = write_video(tmp_path / 'a.mp4', 2.0, fps=10)
    write_flow(tmp_path / 'flow/a', pairs)
    reader = FlowFolderReader(open_video(path), tmp_path / 'flow')
    assert (len(reader), reader.duration_sec, reader.modality) == (20, pytest.approx(2.0, abs=1e-3), 'Flow')
    assert [frame.shape for frame in reader.frames([3])] == [(8, 10, 2)]
    assert [frame[0, 0].tolist() for frame in reader.frames([3, 19])] == [[3, 197], [pairs - 1, 201 - pairs]]


def test_images_that_do_not_fit_the_video(tmp_path):
    path = write_video(tmp_path / 'a.mp4', 2.0, fps=10)
    with pytest.raises(InputError, match=r'flow.a: video a: found 0'):
        FlowFolderReader(open_video(path), tmp_path / 'flow')
    write_flow(tmp_path / 'flow/a', 12)
    with pytest.raises(InputError, match='found 12, expected as many pairs'):
        FlowFolderReader(open_video(path), tmp_path / 'flow')
    (tmp_path / 'flow/a/flow_y_00001.png').rename(tmp_path / 'flow/a/flow_y_00099.png')
    with pytest.raises(InputError, match=r'flow_y_\* for each'):
        FlowFolderReader(open_video(path), tmp_path / 'flow')


def test_tvl1_measures_motion_per_frame_of_the_grid(tmp_path):
    pytest.importorskip('cv2.optflow', reason='OpenCV without its contrib modules')
    noise = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8), (0, 0), 2)
    images = [np.roll(noise, index, axis=1) for index in range(6)]  # 1 pixel to the right per frame
    path = write_frames(tmp_path / 'a.avi', images, fps=20)
    for fps, pixels in ((20, 1), (10, 2), (40, 0.5)):
        middle, last = TVL1Reader(open_video(path), fps).frames([2, 5])
        flow = (np.median(middle.reshape(-1, 2), 0) / 255 * 2 - 1) * 20
        assert flow == pytest.approx([pixels, 0], abs=0.25)
        assert last.shape == (48, 64, 2)


def test_tvl1_without_contrib(monkeypatch):
    monkeypatch.delattr(cv2, 'optflow', raising=False)
    with pytest.raises(InputError, match='opencv-contrib-python'):
        check_source('tvl1')
