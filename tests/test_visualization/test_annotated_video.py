import cv2
import numpy as np

from fsptal_mm.datasets.videos.reader import open_video
from fsptal_mm.structures import Instances
from fsptal_mm.visualization import annotate_video


def test_labels_stand_on_the_frames_of_their_time(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / 'in.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 10, (160, 120))
    for _ in range(30):
        writer.write(np.full((120, 160, 3), 200, np.uint8))
    writer.release()
    detections = Instances.of_video([[1, 2], [0, 3]], [0, 1], [0.9, 0.2])  # the second: under half of the best
    path = annotate_video(open_video(tmp_path / 'in.mp4'), tmp_path / 'new/out.mp4', detections, ('x', 'weak'))
    capture, frames = cv2.VideoCapture(path), []
    while (read := capture.read())[0]:
        frames.append(read[1].astype(int))
    assert len(frames) == 30
    has_label = [frame[:12, :30].mean() < 150 for frame in frames]  # the dark ground of the text
    assert has_label == [10 <= number < 20 for number in range(30)]
    is_orange = frames[0][-2:, :, 2] - frames[0][-2:, :, 0] > 60  # the bar, where the detection lies
    assert is_orange[:, 60:100].all()
    assert not is_orange[:, :48].any()
    assert not is_orange[:, 115:].any()
