"""Timelines of some videos while a model is trained."""

from collections.abc import Sequence

from mmaction.registry import HOOKS
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from fsptal_mm.utils.errors import InputError, check_numbers
from fsptal_mm.visualization import TALVisualizer

from ..timeline_samples import check_has_timeline, item_with_ground_truth, mined_sample, predicted_sample, video_indices
from ..unwrapping import unwrapped_model

_SEPARATORS = str.maketrans('/\\', '__')  # a video id may name a folder, the name of an image may not


@HOOKS.register_module()
class TALVisualizationHook(Hook):
    """Hook that draws timelines of a few training videos, with labels, and validation videos, with detections.

    Training videos are drawn every ``interval`` epochs, with scores, extended labels, mined labels and the best
    segments of the search. Their ground-truth segments are shown for analysis and used nowhere else. Validation videos
    are drawn after each validation, with the weights that were validated (averaged ones, with ``EMAHook``). The main
    process alone draws. Neither the model nor the random numbers of training are touched.

    To switch it on, base the config on ``default_runtime.py`` and write one of these, in the config or on the command
    line::

        default_hooks = dict(timelines=dict(type='TALVisualizationHook', interval=10))

        python tools/train.py CONFIG --cfg-options default_hooks.timelines.type=TALVisualizationHook

    The pictures are written to ``vis_image`` in the run's folder. With ``runtime_tensorboard.py`` in place of
    ``default_runtime.py``, they are shown in TensorBoard, too.

    Args:
        interval: Epochs from one picture of training videos to the next.
        train_videos: A number n, for the first n videos of the training set; or ids of its videos.
        val_videos: The same, for the validation set.

    Raises:
        InputError: An argument is out of range, a video is not in the set, the visualizer is no ``TALVisualizer``, or
            the model has no snippet scores.
    """

    # A priority above NORMAL, that of EMAHook: after a validation, this hook must draw before EMAHook takes the
    # averaged weights out of the model.
    priority = 'ABOVE_NORMAL'

    def __init__(
        self, interval: int = 10, train_videos: int | Sequence[str] = 2, val_videos: int | Sequence[str] = 2
    ) -> None:
        check_numbers('TALVisualizationHook', 1, whole=True, interval=interval)
        for name, videos in dict(train_videos=train_videos, val_videos=val_videos).items():
            is_count = isinstance(videos, int) and not isinstance(videos, bool) and videos >= 0
            if not (is_count or isinstance(videos, (list, tuple))):
                raise InputError('a whole number >= 0, or a list of video ids', field=name, found=str(videos))
        self.interval = interval
        self.train_videos = train_videos
        self.val_videos = val_videos

    def before_run(self, runner: Runner) -> None:
        """Check that visualizer and model fit."""
        if not isinstance(runner.visualizer, TALVisualizer):
            found = type(runner.visualizer).__name__
            raise InputError("dict(type='TALVisualizer', ...)", field='visualizer', found=found)
        check_has_timeline(unwrapped_model(runner))

    def before_train(self, runner: Runner) -> None:
        """Check that the videos exist, before time is spent on training."""
        video_indices(runner.train_dataloader.dataset, self.train_videos, 'train_videos')
        if runner.val_loop is not None:
            video_indices(runner.val_dataloader.dataset, self.val_videos, 'val_videos')

    @master_only
    def after_train_epoch(self, runner: Runner) -> None:
        """Draw training videos, if it is time."""
        epoch = runner.epoch + 1  # epochs done
        if epoch % self.interval == 0:
            with runner.optim_wrapper.optim_context(runner.model):  # labels are mined in the precision of training
                self._draw(runner, 'train', mined_sample, self.train_videos, epoch)

    @master_only
    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Draw validation videos."""
        self._draw(runner, 'val', predicted_sample, self.val_videos, runner.epoch)

    @staticmethod
    def _draw(runner, split, look_at, videos, epoch):
        dataset = getattr(runner, f'{split}_dataloader').dataset
        for index in video_indices(dataset, videos, f'{split}_videos'):
            sample = look_at(unwrapped_model(runner), item_with_ground_truth(dataset, index))
            name = f'{split}_{sample.video_id.translate(_SEPARATORS)}'
            runner.visualizer.add_datasample(name, None, sample, step=epoch)
