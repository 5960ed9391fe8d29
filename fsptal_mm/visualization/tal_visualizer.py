"""mmengine's visualizer, with timelines."""

from mmaction.registry import VISUALIZERS
from mmengine.dist import master_only
from mmengine.visualization import Visualizer


@VISUALIZERS.register_module()
class TALVisualizer(Visualizer):
    """Hands timelines to the backends: files (``LocalVisBackend``), TensorBoard, Weights & Biases.

    Args:
        name: Of this visualizer.
        max_classes: At most so many classes, see :func:`.timeline_figure`.
        max_proposals: At most so many proposals, the best ones.
        **kwargs: As in ``mmengine.visualization.Visualizer``.
    """

    def __init__(self, name='visualizer', max_classes=20, max_proposals=100, **kwargs):
        super().__init__(name, **kwargs)
        self.max_classes = max_classes
        self.max_proposals = max_proposals

    @master_only
    def add_timeline(self, name, timeline, step=0):
        """Draw a timeline and record it, in the main process only.

        Args:
            name: Of the series of images; ``LocalVisBackend`` writes ``vis_image/{name}_{step}.png``.
            timeline (Timeline): What to show.
            step: Usually the number of epochs done.
        """
        from .timeline.figure import timeline_image  # here, since it loads matplotlib

        kwargs = dict(max_classes=self.max_classes, max_proposals=self.max_proposals)
        self.add_image(name, timeline_image(timeline, **kwargs), step)
