from .point_metric import PointMetric
from .proposal_metric import ProposalTALMetric
from .results import read_results, read_video_scores, to_instances, write_csv, write_results
from .tal_metric import TALMetric

__all__ = [
    'PointMetric',
    'ProposalTALMetric',
    'TALMetric',
    'read_results',
    'read_video_scores',
    'to_instances',
    'write_csv',
    'write_results',
]
