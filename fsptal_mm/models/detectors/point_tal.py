"""The detector: snippet features (or clips) in, losses or detections out."""

from collections.abc import Sequence

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import Tensor

from fsptal_mm.models.clip_backbone import check_can_recompute, encode_clips, frozen_parts
from fsptal_mm.models.heads.snippet_head import SnippetScores
from fsptal_mm.models.trunks.affinity_embedding import no_embedding_error
from fsptal_mm.models.trunks.snippet_embedding import PackedConv1d
from fsptal_mm.structures import ClipBatch, SegmentBatch, SnippetBatch, VideoLabels
from fsptal_mm.utils.errors import InputError, check_flags, check_numbers

from .checkpoint_checks import check_second_stage, note_misfit
from .out_of_memory import naming_longest_video


@MODELS.register_module()
class PointTAL(BaseModel):
    """Point-supervised temporal action localizer: a trunk, which embeds the snippet features, and a head.

    Args:
        embedding (dict): Config of the trunk, e.g. ``SnippetEmbedding``: a module that takes and returns a
            :class:`.SnippetBatch`. A trunk that adds the embedding E for feature separation (module D) to the batch
            has the attribute ``makes_affinity_embedding = True``.
        head (dict): Config of the method's head, e.g. ``PointTALHead``.
        refinement (dict, optional): Config of a second stage behind the head, ``RefinementHead``, which
            ``RefinementHook`` trains after stage 1.
        refine: Whether predictions come from the second stage once it is trained. ``False``: stage 1 predicts, also
            with a checkpoint that holds both stages.
        backbone (dict, optional): Config of a feature extractor such as ``mmaction.ResNet``: the inputs are then clips,
            one per snippet, in the form that ``SnippetDataPreprocessor.format_shape`` states.
            :func:`pool_clip_features` pools the output. The weights load from a checkpoint of a recognizer
            (``load_from``), since the name ``backbone`` is the same there.
        freeze_backbone (bool | str | Sequence[str]): ``True``: the backbone is not trained; it runs in evaluation mode
            and without gradients. Names of its parts: these parts are not trained, and run in evaluation mode.
            ``False``: only what the config of the backbone freezes (``frozen_stages``, ``norm_eval``).
        clip_chunk: Clips that the backbone takes at a time.
        checkpoint_clips: Compute every chunk of clips again in the backward pass instead of keeping its activations.
            This costs one more forward pass, and memory does not grow with the video. Has no effect without gradients.
        data_preprocessor (dict, optional): By default ``SnippetDataPreprocessor``, with as many zero rows between
            videos as the widest convolution needs.
        init_cfg: As in ``mmengine.model.BaseModule``.
    """

    def __init__(
        self,
        embedding: dict,
        head: dict,
        refinement: dict | None = None,
        refine: bool = True,
        backbone: dict | None = None,
        freeze_backbone: bool | str | Sequence[str] = False,
        clip_chunk: int = 8,
        checkpoint_clips: bool = True,
        data_preprocessor: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        check_numbers('PointTAL', 1, whole=True, clip_chunk=clip_chunk)
        check_flags('PointTAL', checkpoint_clips=checkpoint_clips, refine=refine)
        self.backbone = backbone and MODELS.build(backbone)
        self.embedding = MODELS.build(embedding)
        self.head = MODELS.build(head)
        # Any part of the trunk may make E, since a neck behind that part passes E on.
        makes_embedding = any(getattr(part, 'makes_affinity_embedding', False) for part in self.embedding.modules())
        if getattr(self.head, 'needs_affinity_embedding', False) and not makes_embedding:
            raise no_embedding_error()
        # Built here, not by the base class, which finds this type only if the default scope is set.
        self.data_preprocessor = MODELS.build(
            dict(type='SnippetDataPreprocessor', gap_snippets=self._reach_snippets()) | (data_preprocessor or {})
        )
        # Built after stage 1, so that stage 1 has the same random initial weights with and without a second stage.
        self.refinement = refinement and MODELS.build(refinement)
        self.refine = refine
        self.refinement_store = None
        self.misfit = None
        # In this order: to a checkpoint of stage 1 alone, check_second_stage adds the initial weights of the second
        # stage, and note_misfit would otherwise note them as missing.
        self.register_load_state_dict_pre_hook(check_second_stage)
        self.register_load_state_dict_pre_hook(note_misfit)
        self.freeze_backbone = freeze_backbone
        self.clip_chunk = clip_chunk
        self.checkpoint_clips = checkpoint_clips
        self.train()  # freezes parts before an optimizer or a distributed wrapper collects the weights to train

    def _reach_snippets(self):
        """Snippets that the widest convolution over packed videos sees on each side, at least 1."""
        return max([1, *(part.padding[0] for part in self.modules() if isinstance(part, PackedConv1d))])

    def train(self, mode: bool = True) -> 'PointTAL':
        """Set the mode as ``nn.Module`` does; but parts that are not trained stay in evaluation mode."""
        super().train(mode)
        if self.refinement_store is not None:  # the second stage is trained, and stage 1 is not
            for part in (self.backbone, self.embedding, self.head):
                if part is not None:
                    part.eval()
        if self.backbone is not None:
            for part in frozen_parts(self.backbone, self.freeze_backbone):
                part.eval()  # not chained: with backbones of mmaction2, `eval` returns None
                part.requires_grad_(False)
            if self.checkpoint_clips:  # checked here, since `sync_bn` of a config changes a model after it was built
                check_can_recompute(self.backbone)
        return self

    def train_step(self, data: dict | tuple | list, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """Run one training step, as ``BaseModel`` does.

        Raises:
            InputError: The memory of the GPU does not suffice for the forward or the backward pass.
        """
        with naming_longest_video(data.get('data_samples') if isinstance(data, dict) else None):
            return super().train_step(data, optim_wrapper)

    def test_step(self, data: dict | tuple | list) -> list[ActionDataSample]:
        """Run one test step, as ``BaseModel`` does; but refuse a checkpoint whose weights fit only in part.

        The runner loads the weights that fit and leaves the others at their random initial values. That is fine for
        the start of a training, but not for a test.

        Raises:
            InputError: The weights that were loaded last are those of another model, and nothing was trained since.
        """
        if self.misfit is not None:
            raise InputError('the weights of the model in the config', field='checkpoint', found=self.misfit)
        return super().test_step(data)

    def forward(
        self, inputs: SnippetBatch | ClipBatch, data_samples: list[ActionDataSample] | None = None, mode: str = 'tensor'
    ) -> dict[str, Tensor] | list[ActionDataSample] | Tensor:
        """Run the model.

        Args:
            inputs (SnippetBatch | ClipBatch): Snippet features, or clips, as the data preprocessor packs them.
            data_samples (list[ActionDataSample], optional): Labels and meta information.
            mode: ``'loss'``, ``'predict'`` or ``'tensor'``.

        Returns:
            dict[str, Tensor] | list[ActionDataSample] | Tensor: With ``'loss'``, the losses. With ``'predict'``, the
            data samples with predictions. With ``'tensor'``, the padded class activations ``(B, T, C + 1)``.

        Raises:
            InputError: The memory of the GPU does not suffice; or the inputs or labels do not fit the model.
        """
        with naming_longest_video(data_samples):
            return self._run(inputs, data_samples, mode)

    def _run(self, inputs, data_samples, mode):
        if mode == 'loss':
            self.misfit = None
        if mode == 'loss' and self.refinement_store is not None:
            return self._refinement_loss(inputs, data_samples)
        if mode == 'predict' and self.refines:
            return self._refined_predictions(inputs, data_samples)
        embedded = self.embed(inputs, data_samples)
        if mode == 'loss':
            return mean_over_ranks(self.head.loss(embedded, data_samples), embedded)
        if mode == 'predict':
            return self.head.predict(embedded, data_samples)
        if mode == 'tensor':
            return embedded.pad(self.head(embedded))
        raise ValueError(f"`mode` must be 'loss', 'predict' or 'tensor', but got {mode!r}")

    @property
    def refines(self) -> bool:
        """True if predictions come from the second stage; the host waits for the device."""
        return self.refine and self.refinement is not None and bool(self.refinement.is_trained)

    def start_refinement(self, store: dict[str, tuple[SegmentBatch, SegmentBatch]]) -> None:
        """Train the second stage from now on; stage 1 stays as it is.

        Args:
            store (dict[str, tuple[SegmentBatch, SegmentBatch]]): Proposals and pseudo segments of every training video,
                by video id.
        """
        self.refinement_store = store
        self.refinement.is_trained.fill_(True)
        self.train(self.training)

    @torch.no_grad()
    def propose(
        self, inputs: SnippetBatch | ClipBatch, data_samples: list[ActionDataSample]
    ) -> tuple[dict[str, SnippetBatch], SnippetScores, list[ActionDataSample]]:
        """Proposals of stage 1, on the time axis of the inputs, that is, without the resampling of label extension.

        If there is a second stage, its generator ``proposals`` makes them: they are the segments that it refines.

        Args:
            inputs (SnippetBatch | ClipBatch): As the data preprocessor packs it.
            data_samples (list[ActionDataSample]): Only their meta information is read; they are not changed.

        Returns:
            tuple[dict, SnippetScores, list[ActionDataSample]]: X and F as ``RefinementHead.forward`` takes them;
            snippet scores; and for each video a new data sample with ``pred_segments`` and ``pred_scores``.

        Raises:
            InputError: Label extension has resampled X (``stage='features'``).
        """
        batches = self._batches(inputs)
        samples = []
        for sample, length in zip(data_samples, inputs.lengths):
            if 'snippet_positions' in sample and 'embedding_positions' not in sample:
                expected = "stage='embedding', since the second stage needs features as they are at test time"
                raise InputError(expected, video=sample.video_id, field='ExtendPointLabels.stage', found='features')
            meta = {key: sample.get(key) for key in ('video_id', 'grid', 'duration_sec')}
            samples.append(ActionDataSample(metainfo=meta | dict(num_snippets=length)))
        scores = self.head.clean_scores(batches['embedding'])
        proposals = None if self.refinement is None else self.refinement.proposals
        return batches, scores, self.head.predict_by_feat(scores, batches['embedding'].mask, samples, proposals)

    @torch.no_grad()
    def mine(self, inputs: SnippetBatch | ClipBatch, data_samples: list[ActionDataSample]) -> dict[str, VideoLabels]:
        """Labels that the head would train on with the present weights of the model, video by video.

        Args:
            inputs (SnippetBatch | ClipBatch): As the data preprocessor packs it.
            data_samples (list[ActionDataSample]): Data samples of training videos.

        Returns:
            dict[str, VideoLabels]: By video id, on the host.
        """
        return VideoLabels.from_batch(data_samples, *self.head.mine(self.embed(inputs, data_samples), data_samples))

    def _batches(self, inputs):
        """X and F of a batch, without the resampling of label extension."""
        features = self._snippet_features(inputs)
        return dict(features=features, embedding=self.embedding(features))

    def _refinement_loss(self, inputs, data_samples):
        with torch.no_grad():
            batches = self._batches(inputs)
        batch = batches['features']
        videos = [self.refinement_store[sample.video_id] for sample in data_samples]
        proposals, pseudo_segments = (SegmentBatch.join(part, batch.mask.device) for part in zip(*videos))
        return mean_over_ranks(self.refinement.loss(batches, proposals, pseudo_segments), batch)

    def _refined_predictions(self, inputs, data_samples):
        batches, _, proposed = self.propose(inputs, data_samples)
        for sample, stage1 in zip(data_samples, proposed):
            sample.pred_segments, sample.pred_scores = stage1.pred_segments, stage1.pred_scores
            sample.snippet_scores = stage1.snippet_scores
        return self.refinement.predict(batches, data_samples)

    def embed(
        self, inputs: SnippetBatch | ClipBatch, data_samples: list[ActionDataSample] | None = None
    ) -> SnippetBatch:
        """Embedded features F, which the head takes.

        Args:
            inputs (SnippetBatch | ClipBatch): As the data preprocessor packs it.
            data_samples (list[ActionDataSample], optional): If they hold ``embedding_positions (T,)``, which are
                fractional indices of snippets of the inputs, F is resampled at these. ``ExtendPointLabels`` with
                ``stage='embedding'`` sets them.
        """
        embedded = self.embedding(self._snippet_features(inputs))
        positions = [sample.get('embedding_positions') for sample in data_samples or ()]
        if all(position is None for position in positions):
            return embedded
        return embedded.resample(positions)

    def _snippet_features(self, inputs):
        """Snippet features X: the inputs themselves, or the output of the backbone for clips."""
        if isinstance(inputs, ClipBatch) != (self.backbone is not None):
            found = 'clips' if self.backbone is None else 'features (T, D) with a backbone'
            expected = 'features (T, D) if the model has no `backbone`, or clips if it has one'
            raise InputError(expected, field='inputs', found=found)
        return inputs if self.backbone is None else self.extract_features(inputs)

    def extract_features(self, inputs: ClipBatch) -> SnippetBatch:
        """Run the backbone over the clips of all videos, some at a time.

        Args:
            inputs (ClipBatch): As the data preprocessor packs it.

        Returns:
            SnippetBatch: Snippet features X, ``(R, D)`` rows.
        """
        is_trained = self.freeze_backbone is not True
        with torch.set_grad_enabled(is_trained and torch.is_grad_enabled()):
            prepare, chunk = self.data_preprocessor.prepare_clips, self.clip_chunk
            videos = [
                encode_clips(self.backbone, clips, prepare, chunk, self.checkpoint_clips) for clips in inputs.videos
            ]
            return SnippetBatch.from_videos(videos, inputs.gap)


def mean_over_ranks(losses: dict[str, Tensor], batch: SnippetBatch) -> dict[str, Tensor]:
    """Weight the losses of a process (rank) so that their mean over the ranks is the mean over the videos of all ranks.

    Every loss is a mean over videos, and distributed training averages the gradients of the ranks. If all ranks have
    equally many videos, as by mmengine's default, all weights are 1. If two ranks have 3 videos and 1 video, their
    weights are 1.5 and 0.5. The host does not wait for the device.
    """
    if get_world_size() == 1:
        return losses
    own = batch.mask.new_full((), len(batch.lengths), dtype=torch.float32)
    total = own.clone()
    all_reduce(total)
    weight = own * get_world_size() / total
    return {name: loss * weight if 'loss' in name else loss for name, loss in losses.items()}
