"""Names of measures and losses for people; the keys of the logs are in TALMetric, PointMetric and the heads."""

_NAMES = {
    'loss': 'total loss',
    'loss_video': 'loss of whole videos',
    'loss_foreground': 'loss of action snippets',
    'loss_background': 'loss of background snippets',
    'loss_score': 'loss of score contrast',
    'loss_feature': 'loss of feature separation',
    'AUC': 'area under the recall curve',
    'video_mAP': 'mAP of video classes',
    'video_top1': 'top-1 accuracy of video classes',
    'point/mAP': 'mAP by points',
    'point/recall': 'recall of points',
    'mining/labelled_share': 'share of labelled snippets',
    'mining/segments': 'mined segments',
    'analysis/segment_tiou': 'tIoU of the mined segments',
    'analysis/pseudo_segment_tiou': 'tIoU of the pseudo segments of stage 2',
}
_PREFIXES = {
    'mAP@': 'mAP at tIoU ',
    'AR@': 'recall of proposals per video: ',
    'mining/given_': 'snippets with a given label: ',
    'mining/mined_': 'snippets with a mined label: ',
    'analysis/': 'mined labels: ',
}


def readable(key: str) -> str:
    """Name of a measure or loss for people; an unknown key without underscores."""
    if key in _NAMES:
        return _NAMES[key]
    prefix = next((prefix for prefix in _PREFIXES if key.startswith(prefix)), '')
    return (_PREFIXES.get(prefix, '') + key.removeprefix(prefix)).replace('_', ' ')
