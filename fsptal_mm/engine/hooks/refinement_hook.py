"""Training of the second stage after stage 1, in one run."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from mmaction.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from fsptal_mm.evaluation.operating_point import NOTHING_FOUND
from fsptal_mm.structures import Instances, SegmentBatch
from fsptal_mm.utils.errors import InputError, check_flags, check_numbers
from fsptal_mm.utils.wording import counted
from fsptal_mm.utils.writing import write_json

from ..mining_pass import mining_pass
from ..pseudo_segment_mining import find_pseudo_segments, propose
from ..pseudo_segments import PseudoSegmentRules, PseudoSegments, segment_quality
from ..unwrapping import unwrapped_model

SEGMENT_FOLDER = 'pseudo_segments'  # folder in a work directory


@HOOKS.register_module()
class RefinementHook(Hook):
    """Hook that trains stage 1 until an epoch, then freezes it and trains the second stage on pseudo segments.

    Before the first epoch of the second stage, stage 1 proposes segments in all training videos, and the best proposal
    around each labelled instance becomes its pseudo segment. Checkpoints hold neither proposals nor pseudo segments.
    Since stage 1 no longer changes, a resumed run finds the same proposals and pseudo segments again, and continues
    exactly.

    Args:
        begin: First epoch, from 0, of the second stage: as many epochs as stage 1 is trained for.
        pseudo_segments (dict): Fields of :class:`.PseudoSegmentRules`.
        supervision: ``'points'``: train on pseudo segments. ``'segments'``: train on the ground truth, as a reference
            for analysis only.
        dump: Write the pseudo segments into ``pseudo_segments/epoch_N.json`` in the work directory, in seconds.
        analysis: Also log how good the pseudo segments are, as ``analysis/pseudo_segment_tiou``. This reads the
            ground truth of the training videos, where the annotation has any; nothing of it reaches training.

    Raises:
        InputError: An argument is out of range, the model has no second stage, or the loop does not go by epochs.
    """

    priority = 'NORMAL'

    def __init__(
        self,
        begin: int,
        pseudo_segments: dict = dict(),
        supervision: str = 'points',
        dump: bool = False,
        analysis: bool = True,
    ) -> None:
        check_numbers('RefinementHook', 0, whole=True, begin=begin)
        check_flags('RefinementHook', dump=dump, analysis=analysis)
        if supervision not in ('points', 'segments'):
            raise InputError("'points' or 'segments'", field='RefinementHook.supervision', found=supervision)
        self.begin = begin
        self.supervision = supervision
        self.rules = PseudoSegmentRules.from_config(pseudo_segments)
        self.dump = dump
        self.analysis = analysis

    def before_train(self, runner: Runner) -> None:
        """Check that model and loop fit, and forget the pseudo segments of an earlier run."""
        model = unwrapped_model(runner)
        if getattr(model, 'refinement', None) is None:
            raise InputError('a second stage, such as RefinementHead, for RefinementHook', field='model.refinement')
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            found = type(runner.train_loop).__name__
            raise InputError('EpochBasedTrainLoop, since stages go by epochs', field='train_cfg.type', found=found)
        if self.begin >= runner.max_epochs:
            runner.logger.warning(
                f'RefinementHook.begin is {self.begin}, and training ends after epoch {runner.max_epochs}: '
                'the second stage will not be trained'
            )
        model.refinement_store = None

    def before_train_epoch(self, runner: Runner) -> None:
        """Begin the second stage if it is time, or if a run is resumed in it."""
        model = unwrapped_model(runner)
        if runner.epoch < self.begin or model.refinement_store is not None:
            return
        runner.optim_wrapper.zero_grad()  # gradients accumulated in stage 1 would still move its weights
        started = time.time()
        videos = mining_pass(runner, propose, self.begin)
        videos = dict(sorted(videos.items()))  # the same order for any number of processes
        if self.supervision == 'segments':
            pseudo = _ground_truth(runner, videos)
        else:
            pseudo = find_pseudo_segments(list(videos.values()), self.rules)
        model.start_refinement(_to_store(videos, pseudo, self.rules.weights(pseudo)))
        for name in [name for name in runner.message_hub.log_scalars if name.startswith('train/loss')]:
            del runner.message_hub.log_scalars[name]  # else the log would repeat the last losses of stage 1
        if is_main_process():
            self._report(runner, videos, pseudo, time.time() - started)

    def after_train(self, runner: Runner) -> None:
        """End the training of the second stage: the model forgets proposals and pseudo segments."""
        unwrapped_model(runner).refinement_store = None

    def _report(self, runner, videos, pseudo, seconds):
        """Log, analyse and dump the pseudo segments."""
        num_instances = sum(len(video['points']) for video in videos.values())
        num_proposals = sum(len(video['detections']) for video in videos.values())
        runner.logger.info(
            f'Second stage from epoch {runner.epoch + 1} on: {counted(len(pseudo.segments), "pseudo segment")} for '
            f'{counted(num_instances, "labelled instance")} ({len(pseudo.missed)} without a proposal of their own), '
            f'{counted(num_proposals, "proposal")}, {counted(len(videos), "video")}, in {seconds:.1f} s'
        )
        if num_instances and len(pseudo.missed) == num_instances:
            runner.logger.warning(f'Stage 1 has no proposal for any labelled instance: {NOTHING_FOUND}')
        scalars = {'refinement/pseudo_segments': len(pseudo.segments), 'refinement/proposals': num_proposals}
        if self.analysis:
            quality = segment_quality(pseudo.segments, _ground_truth(runner, videos).segments)
            if quality is not None:
                runner.logger.info(
                    'Analysis with the ground truth, which training never sees: mean tIoU of the pseudo segments '
                    f'{quality:.3f}'
                )
                scalars['analysis/pseudo_segment_tiou'] = quality
        runner.message_hub.update_scalars(scalars)
        runner.visualizer.add_scalars(scalars, step=runner.epoch)
        if self.dump:
            classes = runner.train_dataloader.dataset.metainfo['classes']
            content = {video_id: [] for video_id in videos}
            ids = list(videos)
            for video, label, segment in zip(pseudo.segments.videos, pseudo.segments.labels, pseudo.segments.segments):
                content[ids[video]].append(dict(label=classes[label], segment=segment.round(4).tolist()))
            write_json(Path(runner.work_dir, SEGMENT_FOLDER, f'epoch_{runner.epoch}.json'), content)


def _ground_truth(runner, videos):
    """Ground truth in the form of pseudo segments, from the dataset, since training data samples do not hold it."""
    dataset = runner.train_dataloader.dataset
    infos = {info['video_id']: info for info in map(dataset.get_data_info, range(len(dataset)))}
    gt = Instances.join(
        [Instances.of_video(infos[name]['gt_segments_sec'], infos[name]['gt_segment_labels']) for name in videos]
    )
    gt = gt[gt.segments[:, 1] > gt.segments[:, 0]]
    return PseudoSegments(replace(gt, scores=np.ones(len(gt))), np.arange(len(gt)), np.empty(0, dtype=np.int64))


def _to_store(videos, pseudo, weights):
    """For every video its proposals and its pseudo segments, in snippets, by video id.

    Proposals of different classes may have the same start and end: each pair of start and end is kept once.
    """
    store = {}
    for index, (video_id, video) in enumerate(videos.items()):
        own = pseudo.segments.videos == index
        places, segments = (
            video['grid'].to_position(segments_sec)
            for segments_sec in (np.unique(video['detections'].segments, axis=0), pseudo.segments.segments[own])
        )
        store[video_id] = (
            SegmentBatch.of_video(places),
            SegmentBatch.of_video(segments, pseudo.segments.labels[own], weights[own]),
        )
    return store
