from .results import read_results, to_instances, write_results
from .tal_metric import TALMetric

__all__ = ['TALMetric', 'read_results', 'to_instances', 'write_results']
