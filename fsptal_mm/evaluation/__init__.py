from .exports import strongest, write_elan, write_subtitles, write_via
from .ground_truth import GroundTruth
from .point_metric import PointMetric
from .proposal_metric import ProposalTALMetric
from .results import (
    index_classes,
    name_classes,
    read_results,
    read_video_scores,
    to_instances,
    write_csv,
    write_results,
)
from .sentences import describe_result
from .tal_metric import TALMetric

__all__ = [
    'GroundTruth',
    'PointMetric',
    'ProposalTALMetric',
    'TALMetric',
    'describe_result',
    'index_classes',
    'name_classes',
    'read_results',
    'read_video_scores',
    'strongest',
    'to_instances',
    'write_csv',
    'write_elan',
    'write_results',
    'write_subtitles',
    'write_via',
]
