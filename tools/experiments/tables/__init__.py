"""The tables that ablation.py and compare.py can run."""

from . import choices, methods, paper
from .methods import ALONGSIDE
from .table import FORMS, REAL_DATA, Row, Table

TABLES = methods.TABLES | paper.TABLES | choices.TABLES

__all__ = ['ALONGSIDE', 'FORMS', 'REAL_DATA', 'TABLES', 'Row', 'Table']
