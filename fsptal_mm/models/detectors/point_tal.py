"""The detector: snippet features (or clips) in, losses or localised actions out."""

import torch
from mmaction.registry import MODELS
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import BaseModel

from fsptal_mm.structures import SnippetBatch


@MODELS.register_module()
class PointTAL(BaseModel):
    """Point-supervised temporal action localizer: an embedding of the snippet features and a head.

    Args:
        embedding (dict): Config of the trunk, e.g. ``SnippetEmbedding``: a module from a :class:`SnippetBatch` to one.
        head (dict): Config of the method's head, e.g. ``PointTALHead``.
        backbone (dict, optional): Config of a feature extractor such as ``mmaction.ResNet``: the inputs are then clips,
            ``(T_i, ...)`` per video in the form that it takes, and its output is averaged over all but the first two
            dimensions.
        data_preprocessor (dict, optional): ``SnippetDataPreprocessor`` by default.
        init_cfg: As in ``mmengine.model.BaseModule``.
    """

    def __init__(self, embedding, head, backbone=None, data_preprocessor=None, init_cfg=None):
        # Built here, not by the base class, which finds it only where the default scope is set.
        super().__init__(MODELS.build(data_preprocessor or dict(type='SnippetDataPreprocessor')), init_cfg)
        self.backbone = backbone and MODELS.build(backbone)
        self.embedding = MODELS.build(embedding)
        self.head = MODELS.build(head)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        """Run the model.

        Args:
            inputs (SnippetBatch): Snippet features, or clips, as the data preprocessor packs them.
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
            inputs (SnippetBatch): As the data preprocessor packs it.
            data_samples (list[ActionDataSample], optional): Where they hold ``embedding_positions (T,)``, F is
                resampled there, in snippets of the inputs: label extension behind the embedding, by
                ``ExtendPointLabels``.
        """
        embedded = self.embedding(inputs if self.backbone is None else self.extract_features(inputs))
        positions = [sample.get('embedding_positions') for sample in data_samples or ()]
        if all(place is None for place in positions):
            return embedded
        identity = (torch.arange(length, dtype=torch.float64) for length in inputs.lengths)
        return embedded.resample(
            [here if place is None else torch.as_tensor(place) for place, here in zip(positions, identity)]
        )

    def extract_features(self, inputs):
        """Run the backbone over the clips of all videos; returns a :class:`SnippetBatch` of ``(R, D)`` features."""
        features = self.backbone(torch.cat(inputs.split(inputs.features)))
        if not torch.is_tensor(features) or features.ndim < 2:
            raise ValueError(f'`backbone` must return one tensor of shape (clips, D, ...), but got {type(features)}')
        features = features.flatten(2).mean(-1) if features.ndim > 2 else features
        return SnippetBatch.from_videos(features.split(inputs.lengths), inputs.gap)


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
