"""A chain of models (stages), in which each later stage takes the proposals of the stage before."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from mmaction.registry import MODELS, TASK_UTILS
from mmaction.structures import ActionDataSample
from torch import Tensor, nn

from fsptal_mm.models.task_modules.dynamic_sampling import SegmentView, WarpedGrid
from fsptal_mm.structures import SegmentBatch, SnippetBatch, to_device
from fsptal_mm.utils.errors import InputError, check_flags, check_numbers

from .point_tal import PointTAL, mean_over_ranks


@MODELS.register_module()
class StagedPointTAL(PointTAL):
    """The chain of ASM-Loc (He et al., CVPR 2022): stage 0 is an ordinary detector, later stages refine proposals.

    Stage n has a trunk and a head of its own, trained from random initial weights on the proposals of stage n - 1,
    which ``StageHook`` finds in the training videos. Earlier stages stay in the checkpoint as they are: a test runs all
    of them. Code that asks the head for scores without proposals, such as mining passes and timelines, gets the scores
    of stage 0.

    Args:
        embedding (dict): Config of the trunk of every stage.
        head (dict): Config of stage 0, ``ASMLocHead``.
        refined_head (dict): Config of every later stage, ``ASMLocRefinedHead``.
        num_refinements: Number of later stages.
        sampler (dict): Config of ``DynamicSegmentSampler``.
        stage_proposals (dict): Config of ``ProposalGenerator`` for the proposals that a stage passes to the next stage.
        given_classes: Whether a training video gets proposals of all classes in its video labels. ``False``: only of
            the classes that the stage before detects. Snippets of a class without proposals count as background in
            training.
        data_preprocessor (dict, optional): As in :class:`.PointTAL`.
        init_cfg: As in ``mmengine.model.BaseModule``.
    """

    def __init__(
        self,
        embedding: dict,
        head: dict,
        refined_head: dict,
        num_refinements: int = 3,
        sampler: dict = dict(type='DynamicSegmentSampler'),
        stage_proposals: dict = dict(type='ProposalGenerator'),
        given_classes: bool = True,
        data_preprocessor: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(embedding, head, data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        check_numbers('StagedPointTAL', 1, whole=True, num_refinements=num_refinements)
        check_flags('StagedPointTAL', given_classes=given_classes)
        self.embeddings = nn.ModuleList(MODELS.build(embedding) for _ in range(num_refinements))
        self.heads = nn.ModuleList(MODELS.build(refined_head) for _ in range(num_refinements))
        self.sampler = TASK_UTILS.build(sampler)
        self.stage_proposals = TASK_UTILS.build(stage_proposals)
        self.given_classes = given_classes
        # How many later stages have begun; kept in the checkpoint, so that a test never runs an untrained stage.
        self.register_buffer('num_started', torch.tensor(0))
        self.start_anew()

    @torch.no_grad()
    def find_views(
        self, inputs: SnippetBatch, data_samples: list[ActionDataSample], stage: int
    ) -> dict[str, SegmentView]:
        """Find the proposals that a stage takes in training videos, and stretch the time axis around short proposals.

        Args:
            inputs (SnippetBatch): As the data preprocessor packs it.
            data_samples (list[ActionDataSample]): Data samples of training videos; only classes in their video labels
                get proposals.
            stage: Number of the stage, from 1; all stages before it are run.

        Returns:
            dict[str, SegmentView]: By video id, on the host.

        Raises:
            InputError: Label extension has resampled the features.
        """
        for sample in data_samples:
            if 'snippet_positions' in sample or 'embedding_positions' in sample:
                expected = 'none in the pipeline, since StagedPointTAL resamples the features itself'
                raise InputError(expected, video=sample.video_id, field='ExtendPointLabels')
        given = torch.stack([sample.gt_video_labels for sample in data_samples])
        segments = self._chain(inputs, data_samples, stage, given)
        views = map(self._view, segments, inputs.lengths)
        return {sample.video_id: view for sample, view in zip(data_samples, views)}

    def start_stage(self, stage: int, views: dict[str, SegmentView]) -> None:
        """Train a later stage from now on.

        Args:
            stage: Number of the stage, from 1.
            views (dict[str, SegmentView]): What :meth:`find_views` found in each training video, by video id.
        """
        self.num_started.fill_(stage)
        self.stage = stage
        self.views = views

    def start_anew(self) -> None:
        """Train stage 0 until :meth:`start_stage` is called; forget the views of an earlier run."""
        self.stage, self.views = 0, None

    def _view(self, segments, num_snippets):
        return self.sampler(segments, num_snippets, self.head.num_classes)

    def _run(self, inputs, data_samples, mode):
        if mode == 'loss' and self.views is not None:
            self.misfit = None
            return self._stage_loss(inputs, data_samples)
        if mode == 'predict' and (stage := int(self.num_started)):
            return self._staged_predictions(inputs, data_samples, stage)
        return super()._run(inputs, data_samples, mode)

    def _stage_loss(self, inputs, data_samples):
        views = [self.views[sample.video_id] for sample in data_samples]
        for view, length, sample in zip(views, inputs.lengths, data_samples):
            if len(view.warp.cumulated) != length + 1:
                expected = f'{len(view.warp.cumulated) - 1}, as when its proposals were found'
                raise InputError(expected, video=sample.video_id, field='number of snippets', found=length)
        batch, members = self._embed_stage(inputs, views, self.stage)
        snippet_labels = np.zeros((*batch.mask.shape, self.head.num_classes), dtype=bool)
        for video, view in enumerate(views):
            snippet_labels[video, : len(view.labels)] = view.labels
        (snippet_labels,) = to_device(batch.mask.device, snippet_labels)
        video_labels = torch.stack([sample.gt_video_labels for sample in data_samples]).to(batch.mask.device)
        losses = self.heads[self.stage - 1].loss_on_segments(batch, video_labels, members, snippet_labels)
        return mean_over_ranks(losses, batch)

    def _embed_stage(self, inputs, views, stage):
        """F of a later stage on the resampled time axes, and the result of :func:`segment_members` for its segments."""
        batch = inputs.resample([view.warp.positions for view in views])
        return self.embeddings[stage - 1](batch), segment_members(views, batch)

    def _scores(self, inputs, data_samples, stage, segments):
        """Scores of a stage, their mask ``(B, T)``, and data samples whose grid has the time axis of the scores."""
        if not stage:
            batch = self.embed(inputs)
            return self.head.clean_scores(batch), batch.mask, _on_time_of(data_samples, [None] * len(data_samples))
        views = [self._view(own, length) for own, length in zip(segments, inputs.lengths)]
        batch, members = self._embed_stage(inputs, views, stage)
        scores = self.heads[stage - 1].scores_on_segments(batch, members)
        return scores, batch.mask, _on_time_of(data_samples, views)

    def _chain(self, inputs, data_samples, num_stages, given=None):
        """Run ``num_stages`` stages and return the proposals of the last one, in snippets: a SegmentBatch per video.

        In training, ``given`` are the labels ``(B, C)`` of the videos: only proposals of their classes stay.
        """
        segments = None
        for stage in range(num_stages):
            scores, mask, samples = self._scores(inputs, data_samples, stage, segments)
            if given is not None and self.given_classes:
                scores = replace(scores, videos=given.to(scores.final.device))  # score 1: every given class is detected
            found = self.head.predict_by_feat(scores, mask, samples, self.stage_proposals)
            segments = [_in_snippets(own.pred_segments, sample.grid) for own, sample in zip(found, data_samples)]
            if given is not None:
                segments = [own[labels[own.labels] > 0] for own, labels in zip(segments, given)]
        return segments

    def _staged_predictions(self, inputs, data_samples, num_refinements):
        segments = self._chain(inputs, data_samples, num_refinements)
        scores, mask, samples = self._scores(inputs, data_samples, num_refinements, segments)
        head = self.heads[num_refinements - 1]
        for sample, found in zip(data_samples, head.predict_by_feat(scores, mask, samples)):
            sample.pred_segments, sample.pred_scores = found.pred_segments, found.pred_scores
        return data_samples


def segment_members(views: Sequence[SegmentView], batch: SnippetBatch) -> Tensor:
    """Tell whether snippet t lies in range k of its video, ``(B, T, K)`` bool; see :class:`.SegmentView`.

    K is the largest number of ranges of a video. Videos with fewer get further ranges that hold no snippet.
    """
    ranges = np.zeros((len(views), max(1, *(len(view.ranges) for view in views)), 2), dtype=np.int64)
    for video, view in enumerate(views):
        ranges[video, : len(view.ranges)] = view.ranges
    (ranges,) = to_device(batch.mask.device, ranges)
    time = torch.arange(batch.mask.shape[1], device=batch.mask.device)[None, :, None]
    return (time >= ranges[:, None, :, 0]) & (time < ranges[:, None, :, 1])


def _on_time_of(data_samples, views):
    """Data samples for ``predict_by_feat`` on the time axis of each view, or on the video's own if a view is None."""
    samples = []
    for sample, view in zip(data_samples, views):
        meta = dict(video_id=sample.video_id, grid=sample.grid, duration_sec=sample.duration_sec)
        meta |= dict(num_snippets=sample.num_snippets)
        if view is not None:
            meta |= dict(num_snippets=view.warp.num_snippets, grid=WarpedGrid(sample.grid, view.warp))
        samples.append(ActionDataSample(metainfo=meta))
    return samples


def _in_snippets(found, grid):
    places = grid.to_position(found.segments_sec.numpy())
    return SegmentBatch.of_video(places, found.labels, found.scores)
