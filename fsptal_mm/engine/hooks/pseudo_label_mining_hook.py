"""Mining passes over the training videos (paper: Sec. 3.3 and 3.4)."""

import time
from pathlib import Path

from mmaction.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from fsptal_mm.evaluation.label_quality import LABEL_FOLDER, label_quality
from fsptal_mm.utils.errors import InputError, check_flags, check_numbers
from fsptal_mm.utils.wording import counted
from fsptal_mm.utils.writing import write_json

from ..mining_pass import mining_pass
from ..unwrapping import unwrapped_model
from .label_report import count_labels, describe_labels


@HOOKS.register_module()
class PseudoLabelMiningHook(Hook):
    """Hook that mines labels and searches segments in all training videos, before some epochs start.

    A pass over the videos mines with the weights at that moment. Every process keeps the labels in ``store``. They are
    not in the dataset, since its copies in worker processes would not change; and not in checkpoints, so that a resumed
    run begins with a pass. With ``live=False``, a resume is therefore exact only at epochs that begin with a pass
    anyway; at other epochs there is a warning.

    The model needs a method ``mine``, as :class:`.PointTAL` has, and its head ``train_on``, as :class:`.PointTALHead`
    has.

    Args:
        begin: First epoch, from 0, that is trained on mined labels. Before it, there is no pass, and the head trains on
            the given points and the snippet of the highest background score in each interval between points, as with
            module B (mining) switched off.
        interval: Epochs from one pass to the next.
        end: Epoch, from 0, from which on there are no more passes, since a second stage is trained; ``None``: passes go
            on to the end of the training.
        live: True: the head mines its labels at every step, and passes only report on them. False: the head trains on
            the labels of the latest pass; the pipeline must then give a video the same length every time.
        dump: Write the labels of every pass into ``pseudo_labels/epoch_N.json`` in the work directory, N being the
            number of epochs done: ``{video_id: {"action": ..., "background": ..., "segments": ..., ...}}``, see
            ``describe_labels``. ``tools/analysis_tools/pseudo_label_quality.py`` reads them.
        analysis: Also log the quality of the labels as ``analysis/...``, see ``label_quality``, and add the
            ground-truth segments to the dumps. This reads the segments of the training videos, where the annotation has
            any; nothing of it reaches training.

    Attributes:
        store (dict[str, VideoLabels]): Labels of the latest pass by video id; empty before the first.

    Raises:
        InputError: An argument is out of range, the head mines no labels, or the loop does not go by epochs.
    """

    def __init__(
        self,
        begin: int = 0,
        interval: int = 10,
        end: int | None = None,
        live: bool = True,
        dump: bool = False,
        analysis: bool = True,
    ) -> None:
        check_numbers('PseudoLabelMiningHook', 0, whole=True, begin=begin)
        check_numbers('PseudoLabelMiningHook', 1, whole=True, interval=interval)
        check_numbers('PseudoLabelMiningHook', 1, whole=True, optional=True, end=end)
        check_flags('PseudoLabelMiningHook', live=live, dump=dump, analysis=analysis)
        self.begin = begin
        self.interval = interval
        self.end = end
        self.live = live
        self.dump = dump
        self.analysis = analysis
        self.store = {}

    def before_train(self, runner: Runner) -> None:
        """Check that head and loop fit, and forget the labels of an earlier run."""
        head = getattr(unwrapped_model(runner), 'head', None)
        if not callable(getattr(head, 'train_on', None)):
            raise InputError('one that mines labels, such as FSPTALHead', field='model.head', found=type(head).__name__)
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            found = type(runner.train_loop).__name__
            raise InputError('EpochBasedTrainLoop, since mining goes by epochs', field='train_cfg.type', found=found)
        self.store = {}
        head.train_on('mined')

    def before_train_epoch(self, runner: Runner) -> None:
        """Mine if it is time, and set what the head trains on in this epoch."""
        if self.end is not None and runner.epoch >= self.end:
            return
        head = unwrapped_model(runner).head
        if runner.epoch < self.begin:
            head.train_on('points')
            return
        due = (runner.epoch - self.begin) % self.interval == 0
        if due or not self.store:
            if not (due or self.live):
                runner.logger.warning(
                    f'Resumed after epoch {runner.epoch}, where no mining pass is due: labels are mined with these '
                    'weights, but the interrupted run trained on labels of an earlier pass. A resume is exact only '
                    f'after epoch {self.begin} and every {self.interval} epochs from there, where passes are due: save '
                    'checkpoints there.'
                )
            head.train_on('mined')  # otherwise `mine` would return the labels of the pass before
            started = time.time()
            self.store = mining_pass(runner, lambda model, *batch: model.mine(*batch))
            if is_main_process():
                self._report(runner, time.time() - started)
            if not self.live:
                head.train_on(self.store)

    def after_train(self, runner: Runner) -> None:
        """Let the head mine its labels at every step again, as when it was built."""
        unwrapped_model(runner).head.train_on('mined')

    def _report(self, runner, seconds):
        """Log, analyse and dump the store."""
        dataset = runner.train_dataloader.dataset
        scalars = count_labels(self.store)
        runner.logger.info(
            f'Pseudo labels after epoch {runner.epoch}, {counted(len(self.store), "video")} in {seconds:.1f} s: '
            + '{mining/given_action} given + {mining/mined_action} mined action snippets, {mining/given_background} '
            'given + {mining/mined_background} mined background snippets, {mining/segments} segments; '
            '{mining/labelled_share:.1%} of the snippets of a video are labelled, on average'.format_map(scalars)
        )
        described = self._describe(dataset) if self.analysis or self.dump else {}
        if self.analysis:
            figures = label_quality(described.values())
            listed = ', '.join(f'{name} {value:.3f}' for name, value in figures.items())
            if figures:
                runner.logger.info(f'Analysis of mined labels with the ground truth, unseen by training: {listed}')
            scalars |= {f'analysis/{name}': value for name, value in figures.items()}
        runner.message_hub.update_scalars(scalars)
        runner.visualizer.add_scalars(scalars, step=runner.epoch)
        if self.dump:
            write_json(Path(runner.work_dir, LABEL_FOLDER, f'epoch_{runner.epoch}.json'), described)

    def _describe(self, dataset):
        """The store in seconds, by video id."""
        classes = dataset.metainfo['classes']
        infos = map(dataset.get_data_info, range(len(dataset)) if self.analysis else ())
        records = {info['video_id']: info for info in infos}
        return {
            video_id: describe_labels(labels, classes, records.get(video_id))
            for video_id, labels in sorted(self.store.items())
        }
