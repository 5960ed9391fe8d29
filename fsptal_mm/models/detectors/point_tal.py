"""The detector: snippet features (or clips) in, losses or localised actions out."""

import torch
from mmaction.registry import MODELS
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import BaseModel

from fsptal_mm.errors import InputError, check_flags, check_numbers
from fsptal_mm.models.affinity_embedding import no_embedding_error
from fsptal_mm.models.clip_backbone import check_can_recompute, encode_clips, frozen_parts
from fsptal_mm.models.embeddings import PackedConv1d
from fsptal_mm.structures import ClipBatch, SnippetBatch


@MODELS.register_module()
class PointTAL(BaseModel):
    """Point-supervised temporal action localizer: an embedding of the snippet features and a head.

    Args:
        embedding (dict): Config of the trunk, e.g. ``SnippetEmbedding``: a module from a :class:`SnippetBatch` to one.
            A trunk that gives the batch an embedding E for module D says so by ``makes_affinity_embedding = True``.
        head (dict): Config of the method's head, e.g. ``PointTALHead``.
        backbone (dict, optional): Config of a feature extractor such as ``mmaction.ResNet``: the inputs are then clips,
            one per snippet, in the form that ``SnippetDataPreprocessor.format_shape`` states. What it returns is
            pooled by :func:`pool_clip_features`. Its weights load from a checkpoint of a recogniser (``load_from``),
            whose backbone has the same name.
        freeze_backbone (bool | str | Sequence[str]): ``True``: the backbone is not trained; it runs as in evaluation
            and without gradients. Names of its parts: these are not trained, and run as in evaluation. ``False``: only
            what its own config freezes (``frozen_stages``, ``norm_eval``).
        clip_chunk: Clips that the backbone takes at a time.
        checkpoint_clips: Compute every chunk again in the backward pass instead of keeping its activations: a third
            more work, and memory that does not grow with the video. Has no effect where nothing is trained.
        data_preprocessor (dict, optional): By default ``SnippetDataPreprocessor``, with as many zero rows between
            videos as the widest convolution needs.
        init_cfg: As in ``mmengine.model.BaseModule``.
    """

    is_tested_whole = True  # with a checkpoint of all its weights and no others, see fsptal_mm/compat_checkpoints.py

    def __init__(
        self,
        embedding,
        head,
        backbone=None,
        freeze_backbone=False,
        clip_chunk=8,
        checkpoint_clips=True,
        data_preprocessor=None,
        init_cfg=None,
    ):
        super().__init__(init_cfg=init_cfg)
        check_numbers('PointTAL', 1, whole=True, clip_chunk=clip_chunk)
        check_flags('PointTAL', checkpoint_clips=checkpoint_clips)
        self.backbone = backbone and MODELS.build(backbone)
        self.embedding = MODELS.build(embedding)
        self.head = MODELS.build(head)
        # Any part of it: a trunk may have a neck behind it, which hands E on.
        makes_embedding = any(getattr(part, 'makes_affinity_embedding', False) for part in self.embedding.modules())
        if getattr(self.head, 'needs_affinity_embedding', False) and not makes_embedding:
            raise no_embedding_error()
        # Built here, not by the base class, which finds it only where the default scope is set.
        self.data_preprocessor = MODELS.build(
            dict(type='SnippetDataPreprocessor', gap_snippets=self._reach_snippets()) | (data_preprocessor or {})
        )
        self.freeze_backbone = freeze_backbone
        self.clip_chunk = clip_chunk
        self.checkpoint_clips = checkpoint_clips
        self.train()  # freezes before an optimizer or a distributed wrapper collects what is to be trained

    def _reach_snippets(self):
        """Snippets that the widest convolution over packed videos sees on each side, at least 1."""
        return max([1, *(part.padding[0] for part in self.modules() if isinstance(part, PackedConv1d))])

    def train(self, mode=True):
        """As in ``nn.Module``; frozen parts of the backbone stay as in evaluation."""
        super().train(mode)
        if self.backbone is not None:
            for part in frozen_parts(self.backbone, self.freeze_backbone):
                part.eval()  # backbones of the toolbox return None here, so that no call can follow
                part.requires_grad_(False)
            if self.checkpoint_clips:  # here too, since `sync_bn` of a config changes a model that has been built
                check_can_recompute(self.backbone)
        return self

    def forward(self, inputs, data_samples=None, mode='tensor'):
        """Run the model.

        Args:
            inputs (SnippetBatch | ClipBatch): Snippet features, or clips, as the data preprocessor packs them.
            data_samples (list[ActionDataSample], optional): Labels and meta information.
            mode: ``'loss'``, ``'predict'`` or ``'tensor'``.

        Returns:
            The losses, the data samples with predictions, or the padded class activations ``(B, T, C + 1)``.
        """
        embedded = self.embed(inputs, data_samples)
        if mode == 'loss':
            return _mean_over_ranks(self.head.loss(embedded, data_samples), embedded)
        if mode == 'predict':
            return self.head.predict(embedded, data_samples)
        if mode == 'tensor':
            return embedded.pad(self.head(embedded))
        raise ValueError(f"`mode` must be 'loss', 'predict' or 'tensor', but got {mode!r}")

    def embed(self, inputs, data_samples=None):
        """Embedded features F, which the head takes.

        Args:
            inputs (SnippetBatch | ClipBatch): As the data preprocessor packs it.
            data_samples (list[ActionDataSample], optional): Where they hold ``embedding_positions (T,)``, F is
                resampled there, in snippets of the inputs: label extension behind the embedding, by
                ``ExtendPointLabels``.
        """
        if isinstance(inputs, ClipBatch) != (self.backbone is not None):
            found = 'clips' if self.backbone is None else 'features (T, D) with a backbone'
            raise InputError('features (T, D) without, or clips with `model.backbone`', field='inputs', found=found)
        embedded = self.embedding(inputs if self.backbone is None else self.extract_features(inputs))
        positions = [sample.get('embedding_positions') for sample in data_samples or ()]
        if all(place is None for place in positions):
            return embedded
        identity = (torch.arange(length, dtype=torch.float64) for length in inputs.lengths)
        return embedded.resample(
            [here if place is None else torch.as_tensor(place) for place, here in zip(positions, identity)]
        )

    def extract_features(self, inputs):
        """Run the backbone over the clips of all videos, some at a time.

        Args:
            inputs (ClipBatch): As the data preprocessor packs it.

        Returns:
            SnippetBatch: Of ``(R, D)`` features.
        """
        is_trained = self.freeze_backbone is not True
        with torch.set_grad_enabled(is_trained and torch.is_grad_enabled()):
            prepare, chunk = self.data_preprocessor.prepare_clips, self.clip_chunk
            videos = [
                encode_clips(self.backbone, clips, prepare, chunk, self.checkpoint_clips) for clips in inputs.videos
            ]
            return SnippetBatch.from_videos(videos, inputs.gap)


def _mean_over_ranks(losses, batch):
    """Weigh the losses of a rank so that their mean over the ranks is the mean over the videos of all ranks.

    Every loss is a mean over videos, and distributed training averages the gradients of the ranks. Where these have
    equally many videos, as by mmengine's default, the weight is 1. Nothing waits for the device.
    """
    if get_world_size() == 1:
        return losses
    own = batch.mask.new_full((), len(batch.lengths), dtype=torch.float32)
    total = own.clone()
    all_reduce(total)
    weight = own * get_world_size() / total
    return {name: loss * weight if 'loss' in name else loss for name, loss in losses.items()}
