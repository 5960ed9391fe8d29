"""Point-supervised temporal action localization for mmaction2.

``custom_imports = dict(imports=['fsptal_mm'])`` in a config is all it takes: importing the package repairs what is
broken in the host libraries and registers every part under mmaction2's names.
"""

__version__ = '0.1.0'

from . import compat

compat.apply()

from . import datasets, engine, evaluation, models  # noqa: E402  (the repairs come first)

__all__ = ['__version__', 'compat', 'datasets', 'engine', 'evaluation', 'models']
