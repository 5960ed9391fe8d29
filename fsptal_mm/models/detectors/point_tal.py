"""The detector: snippet features in, losses or localised actions out."""

from mmaction.registry import MODELS
from mmengine.model import BaseModel


@MODELS.register_module()
class PointTAL(BaseModel):
    """Point-supervised temporal action localizer: an embedding of the snippet features and a head.

    Args:
        embedding (dict): Config of the trunk, e.g. ``SnippetEmbedding``: a module from a :class:`SnippetBatch` to one.
        head (dict): Config of the method's head, e.g. ``PointTALHead``.
        data_preprocessor (dict, optional): ``SnippetDataPreprocessor`` by default.
        init_cfg: As in ``mmengine.model.BaseModule``.
    """

    def __init__(self, embedding, head, data_preprocessor=None, init_cfg=None):
        super().__init__(data_preprocessor or dict(type='SnippetDataPreprocessor'), init_cfg)
        self.embedding = MODELS.build(embedding)
        self.head = MODELS.build(head)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        """Run the model.

        Args:
            inputs (SnippetBatch): Snippet features as the data preprocessor packs them.
            data_samples (list[ActionDataSample], optional): Labels and meta information.
            mode: ``'loss'``, ``'predict'`` or ``'tensor'``.

        Returns:
            The losses, the data samples with predictions, or the padded class activations ``(B, T, C + 1)``.
        """
        embedded = self.embedding(inputs)
        if mode == 'loss':
            return self.head.loss(embedded, data_samples)
        if mode == 'predict':
            return self.head.predict(embedded, data_samples)
        if mode == 'tensor':
            return embedded.pad(self.head(embedded))
        raise ValueError(f"`mode` must be 'loss', 'predict' or 'tensor', but got {mode!r}")
