"""Point-supervised temporal action localization for mmaction2.

``custom_imports = dict(imports=['fsptal_mm'])`` in a config is all it takes: importing the package repairs what is
broken in the host libraries, and adds its classes to mmaction2's registries.
"""

import importlib.util

__version__ = '0.1.0'

if importlib.util.find_spec('mmcv') is None:
    raise ImportError("mmaction2 needs mmcv: install 'fsptal_mm[lite]' (no compiled operators) or 'fsptal_mm[full]'")

from . import compat

compat.apply()

from . import datasets, engine, evaluation, models  # noqa: E402  (the repairs come first)

__all__ = ['__version__', 'compat', 'datasets', 'engine', 'evaluation', 'models']
