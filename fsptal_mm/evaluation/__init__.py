from .point_metric import PointMetric
from .results import read_results, to_instances, write_csv, write_results
from .tal_metric import TALMetric

__all__ = ['PointMetric', 'TALMetric', 'read_results', 'to_instances', 'write_csv', 'write_results']
