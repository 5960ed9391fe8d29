"""A table of runs: its rows, and how to run them."""

from dataclasses import dataclass, field

# Forms of FS-PTAL: the configs' names up to that of the dataset.
FORMS = {'tuned': 'configs/fsptal_tuned/fsptal-tuned', 'paper': 'configs/fsptal/fsptal'}
FSPTAL = '{fsptal}_{data}.py'  # in the form that the user asks for
BASE = 'configs/base/base_{data}.py'
LACP = 'configs/lacp/lacp_{data}.py'
SUPERVISED = 'configs/base/supervised_{data}.py'
BMN = 'configs/bmn/bmn_{data}.py'
REFINED = 'configs/fsptal_refined/fsptal-refined_{data}.py'
REAL_DATA = ('spatialcnn_gtea', 'acc_50salads')


@dataclass(frozen=True)
class Row:
    """One experiment, trained with several seeds.

    Attributes:
        label: First column.
        config: Path from the repository's root; ``{data}`` stands for the name of the dataset, ``{fsptal}``
            for one of ``FORMS``.
        options: What it changes, from dotted key to value, as in ``--cfg-options``.
        published: Figures in percent under the name of what they were measured on.
        absent: Text of the table if a dataset has no such config; ``None`` makes that an error.
        source: Label of the row whose run of the same seed this one builds on; in ``options``, ``{source}`` stands for
            the folder of that run, and ``{run}`` for this one's.
        trains: Whether to train; else the last checkpoint of ``source`` is tested with this row's config and options.
        pseudo_segments: Write ``{run}/pseudo_segments.json`` with the source's model before training.
        supervision: What training knows, where the config cannot tell.
    """

    label: str
    config: str = FSPTAL
    options: dict = field(default_factory=dict)
    published: dict = field(default_factory=dict)
    absent: str | None = None
    source: str | None = None
    pseudo_segments: bool = False
    trains: bool = True
    supervision: str | None = None


@dataclass(frozen=True)
class Table:
    """Rows, and how to run them.

    Attributes:
        title: What the table shows.
        rows: From top to bottom.
        reference: Label of the row that all others are compared with, seed by seed.
        source: Where the published figures come from; empty where there are none.
        data: Datasets unless the user names others.
        seeds: Number of seeds on datasets outside ``REAL_DATA``.
        real_seeds: Number of seeds on those in ``REAL_DATA``.
    """

    title: str
    rows: tuple
    reference: str
    source: str = ''
    data: tuple = ('synthetic',)
    seeds: int = 3
    real_seeds: int = 5

    def default_seeds(self, data):
        """Seeds on a dataset, from 0."""
        return list(range(self.real_seeds if data in REAL_DATA else self.seeds))
