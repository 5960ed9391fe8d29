from mmaction.registry import MODELS
from mmengine.model import BaseDataPreprocessor

from fsptal_mm.structures import SnippetBatch


@MODELS.register_module()
class SnippetDataPreprocessor(BaseDataPreprocessor):
    """Moves the features of a batch to the model's device as one packed sequence.

    ``inputs`` (a list of ``(T_i, D)`` tensors) become a :class:`SnippetBatch`; data samples stay on the host, where
    heads turn what they need of them into one tensor per kind of target.

    Args:
        gap_snippets: Zero rows between videos: half the kernel of the widest convolution in the model.
        non_blocking: Kept for the base class; copies never block where memory is pinned.
    """

    def __init__(self, gap_snippets=1, non_blocking=True):
        super().__init__(non_blocking=non_blocking)
        self.gap_snippets = gap_snippets

    def forward(self, data, training=False):
        """See the class."""
        inputs = SnippetBatch.from_videos(data['inputs'], self.gap_snippets, self.device)
        return dict(inputs=inputs, data_samples=data.get('data_samples'))
