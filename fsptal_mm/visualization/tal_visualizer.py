"""Visualizer of mmengine that draws timelines."""

from pathlib import Path
from typing import Any

from mmaction.registry import VISUALIZERS
from mmaction.structures import ActionDataSample
from mmengine.dist import master_only
from mmengine.visualization import Visualizer

from fsptal_mm.utils.errors import InputError

from .timeline.builder import sample_timeline
from .timeline.data import FrameStrip


@VISUALIZERS.register_module()
class TALVisualizer(Visualizer):
    """Visualizer that sends timelines to its backends: files (``LocalVisBackend``), TensorBoard, Weights & Biases.

    Args:
        name: Name of the visualizer.
        max_classes: Largest number of classes in a timeline, see :func:`.timeline_figure`; ``None`` for all.
        max_proposals: Largest number of proposals in a timeline; the best ones are shown.
        **kwargs: As in ``mmengine.visualization.Visualizer``.
    """

    def __init__(
        self, name: str = 'visualizer', max_classes: int | None = 20, max_proposals: int = 100, **kwargs: Any
    ) -> None:
        super().__init__(name, **kwargs)
        self.max_classes = max_classes
        self.max_proposals = max_proposals

    @master_only
    def add_datasample(
        self,
        name: str,
        image: FrameStrip | None,
        data_sample: ActionDataSample,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        out_file: str | Path | None = None,
        step: int = 0,
    ) -> None:
        """Draw the timeline of a video, in the main process only.

        Args:
            name: Name of the series of images; ``LocalVisBackend`` writes ``vis_image/{name}_{step}.png``.
            image (FrameStrip, optional): Frames of the video, drawn as the top row.
            data_sample (ActionDataSample): The video, with the fields that :func:`.sample_timeline` reads.
            draw_gt: Whether to show ground truth and points.
            draw_pred: Whether to show scores, pseudo labels and proposals of the model.
            show: Whether to open a window, too.
            wait_time: Seconds until the window closes. 0: it closes when a key is pressed.
            out_file: PNG, SVG or PDF file that is written instead. Default: the picture goes to the backends.
            step: Step of the picture in its series, usually the number of epochs done.

        Raises:
            InputError: ``dataset_meta`` has no ``classes``, or ``out_file`` has another suffix.
        """
        from .timeline.figure import draw_timeline, timeline_image  # imported late, since it loads matplotlib

        classes = (self.dataset_meta or {}).get('classes')
        if classes is None:
            raise InputError('the names of the classes', field='TALVisualizer.dataset_meta: classes')
        timeline = sample_timeline(data_sample, classes, draw_gt=draw_gt, draw_pred=draw_pred, frames=image)
        limits = dict(max_classes=self.max_classes, max_proposals=self.max_proposals)
        if show:
            self.show(timeline_image(timeline, **limits), win_name=name, wait_time=wait_time)
        if out_file is not None:
            draw_timeline(out_file, timeline, **limits)
        else:
            self.add_image(name, timeline_image(timeline, **limits), step)
