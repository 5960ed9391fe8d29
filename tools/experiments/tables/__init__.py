"""Definitions of the tables of experiments that ablation.py and compare.py run."""

from . import choices, methods, paper
from .methods import ALONGSIDE
from .table import FORMS, REAL_DATA, Row, Table

TABLES = methods.TABLES | paper.TABLES | choices.TABLES

__all__ = ['ALONGSIDE', 'FORMS', 'REAL_DATA', 'TABLES', 'Row', 'Table']
