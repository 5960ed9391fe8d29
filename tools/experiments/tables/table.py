"""Definition of a table of experiments: its rows, and the runs that they need."""

from dataclasses import dataclass, field

# Forms of FS-PTAL: paths of their configs up to the name of the dataset.
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
        label: Text of the first column.
        config: Path from the repository's root; ``{data}`` stands for the name of the dataset, ``{fsptal}``
            for one of ``FORMS``.
        options: Changes of the config, from dotted key to value, as in ``--cfg-options``.
        published: Published figures in percent, by the name of the data that they were measured on.
        absent: Text that stands in the table if there is no such config for a dataset. With ``None``, a missing config
            is an error.
        source: Label of the row whose run of the same seed must be finished first, since this row's run uses its files.
            In ``options``, ``{source}`` stands for the folder of that run, and ``{run}`` for the folder of this one.
        pseudo_segments: Whether the model of ``source`` writes ``{run}/pseudo_segments.json`` before the training.
        trains: Whether to train. Otherwise the last checkpoint of ``source`` is tested with this row's config and
            options.
        supervision: Kind of labels of the training, if the config does not tell.
        seeds: Number of seeds, if not the table's.
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
    seeds: int | None = None


@dataclass(frozen=True)
class Table:
    """Table of experiments.

    Attributes:
        title: Title of the table.
        rows: Rows from top to bottom.
        reference: Label of the row that all others are compared with, seed by seed.
        source: Source of the published figures; empty if there are none.
        data: Names of the datasets, unless the user names others.
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

    def default_seeds(self, data, row):
        """Return the seeds of a row on a dataset, 0, 1, 2, and so on."""
        return list(range(row.seeds or (self.real_seeds if data in REAL_DATA else self.seeds)))
