"""A trunk for methods whose head embeds the snippet features itself."""

from mmaction.registry import MODELS
from mmengine.model import BaseModule

from fsptal_mm.structures import SnippetBatch


@MODELS.register_module()
class IdentityEmbedding(BaseModule):
    """Trunk that changes nothing, ``F = X``: ``in_channels`` of the head is the dimension of the snippet features."""

    def forward(self, batch: SnippetBatch) -> SnippetBatch:
        """Return the batch unchanged."""
        return batch
