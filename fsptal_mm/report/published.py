"""Published results to compare a run with, from the metafiles of the configs."""

from collections.abc import Iterable
from dataclasses import dataclass

from fsptal_mm.apis.model_loading import model_index

from .run import Run


@dataclass(frozen=True)
class Published:
    """Published results of a method.

    Attributes:
        method: Name of the method; for results of this package, with the name of the config.
        data: Name of the dataset.
        metrics: Measures in percent, by their keys in :class:`.TALMetric`.
        source: Publication with these results.
    """

    method: str
    data: str
    metrics: dict
    source: str


def published_figures(runs: Iterable[Run]) -> list[Published]:
    """Collect the results of all methods on the same data with the same features as one of the runs.

    Args:
        runs (Iterable[Run]): Runs; those whose config is in no metafile are ignored.

    Returns:
        list[Published]: ``Published Results`` of the metafiles (by other authors), then their ``Results`` (measured
        with this package).
    """
    data = {_data(run.config_name) for run in runs if run.config_name in model_index()}
    entries = [entry for name, entry in model_index().items() if _data(name) in data]
    return [
        Published(
            result.get('Method', f'{entry["In Collection"]} ({entry["Name"]})'),
            result['Dataset'],
            result['Metrics'],
            result.get('Source', source),
        )
        for key, source in (('Published Results', ''), ('Results', 'the benchmarks of fsptal_mm, means over seeds'))
        for entry in entries
        for result in entry.get(key, ())
    ]


def _data(name):
    """Features and dataset, from the name of a config: ``i3d_thumos14`` of ``lacp_i3d_thumos14``."""
    return name.partition('_')[2]
