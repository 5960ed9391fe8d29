"""Results to compare a run with, from the metafiles of the configs: published ones, and those of the benchmarks."""

from collections.abc import Iterable
from dataclasses import dataclass

from fsptal_mm.apis.model_loading import model_index

from .run import Run


@dataclass(frozen=True)
class Published:
    """Results of a method, published or measured in the benchmarks of this package.

    Attributes:
        method: Name of the method; for results of this package, with the name of the config.
        data: Name of the dataset.
        metrics: Measures in percent, by their keys in :class:`.TALMetric`.
        source: Publication with these results, or the benchmarks.
        tag: Kind of the results: ``'published'`` by other authors, or ``'benchmark'`` of this package.
    """

    method: str
    data: str
    metrics: dict
    source: str
    tag: str = 'published'


def published_figures(runs: Iterable[Run]) -> list[Published]:
    """Collect the results of all methods on the same data with the same features as one of the runs.

    Args:
        runs (Iterable[Run]): Runs. Those whose config is in no metafile are ignored, and those with other test data
            than the config of their name.

    Returns:
        list[Published]: ``Published Results`` of the metafiles (by other authors), then their ``Results`` (measured
        with this package).
    """
    data = {_data(run.config_name) for run in runs if run.known_data}
    entries = [entry for name, entry in model_index().items() if _data(name) in data]
    return [
        Published(
            result.get('Method', f'{entry["In Collection"]} ({entry["Name"]})'),
            result['Dataset'],
            result['Metrics'],
            result.get('Source', 'the benchmarks of fsptal_mm, means over seeds'),
            tag,
        )
        for key, tag in (('Published Results', 'published'), ('Results', 'benchmark'))
        for entry in entries
        for result in entry.get(key, ())
    ]


def _data(name):
    """Features and dataset, from the name of a config: ``i3d_thumos14`` of ``lacp_i3d_thumos14``."""
    return name.partition('_')[2]
