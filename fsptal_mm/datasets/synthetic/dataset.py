"""Dataset class of the embedded dataset, the small synthetic dataset that this package generates at first use."""

from typing import Any

from mmaction.registry import DATASETS

from ..point_tal_dataset import PointTALDataset
from .generator import ensure_synthetic


@DATASETS.register_module()
class SyntheticPointTALDataset(PointTALDataset):
    """:class:`PointTALDataset` that first generates its files below ``data_root``, unless they are there already.

    Args:
        generator (dict, optional): Fields of :class:`SyntheticParams` that differ from the default.
        **kwargs: As in :class:`PointTALDataset`; ``ann_file`` is ``'annotations.json'`` (automatic points) or
            ``'annotations_manual.json'``.
    """

    def __init__(self, generator: dict[str, Any] | None = None, **kwargs: Any) -> None:
        self.generator = generator or {}
        super().__init__(**kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Generate the files if they are missing, then read them."""
        ensure_synthetic(self.data_root, **self.generator)
        return super().load_data_list()
