from .change_points import decode_change_points
from .ground_truth import GroundTruth
from .point_metric import PointMetric
from .proposal_metric import ProposalTALMetric
from .pseudo_segments import PseudoSegmentRules, PseudoSegments
from .results import (
    index_classes,
    name_classes,
    read_results,
    read_video_scores,
    to_instances,
    write_csv,
    write_results,
)
from .tal_metric import TALMetric

__all__ = [
    'GroundTruth',
    'PointMetric',
    'ProposalTALMetric',
    'PseudoSegmentRules',
    'PseudoSegments',
    'TALMetric',
    'decode_change_points',
    'index_classes',
    'name_classes',
    'read_results',
    'read_video_scores',
    'to_instances',
    'write_csv',
    'write_results',
]
