from .exports import strongest, write_elan, write_subtitles, write_via
from .ground_truth import GroundTruth
from .labelling import count_threshold, likely_detections, rank_videos, uncertainty
from .operating_point import (
    OperatingPoint,
    Threshold,
    best_score,
    choose_operating_point,
    model_digest,
    operating_point_file,
    read_operating_point,
    write_operating_point,
)
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
    'OperatingPoint',
    'PointMetric',
    'ProposalTALMetric',
    'TALMetric',
    'Threshold',
    'best_score',
    'choose_operating_point',
    'count_threshold',
    'describe_result',
    'index_classes',
    'likely_detections',
    'model_digest',
    'name_classes',
    'operating_point_file',
    'rank_videos',
    'read_operating_point',
    'read_results',
    'read_video_scores',
    'strongest',
    'to_instances',
    'uncertainty',
    'write_csv',
    'write_elan',
    'write_operating_point',
    'write_results',
    'write_subtitles',
    'write_via',
]
