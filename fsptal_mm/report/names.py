"""Readable names of measures and losses. The keys are those that TALMetric, PointMetric, heads and hooks log."""

_NAMES = {
    'loss': 'total loss',
    'loss_foreground': 'video-level loss of actions',
    'loss_background': 'video-level loss with background',
    'loss_point_action': 'loss at action snippets',
    'loss_point_background': 'loss at background snippets',
    'loss_score': 'loss of score contrast',
    'loss_separation_background': 'feature separation: background',
    'loss_separation_action': 'feature separation: actions',
    'loss_separation_between': 'feature separation: actions from background',
    'loss_feature': 'loss of feature contrast',
    'loss_refined_class': 'stage 2: loss of classes',
    'loss_refined_segment': 'stage 2: loss of boundaries',
    'loss_contrast': 'loss of contrast with prototypes',
    'loss_video': 'video-level loss',
    'loss_frame': 'loss at labelled snippets',
    'loss_base': 'video-level loss',
    'loss_suppressed': 'video-level loss without background',
    'loss_sparsity': 'loss of sparse attention',
    'loss_click': 'loss at background clicks',
    'AUC': 'area under the recall curve',
    'video_mAP': 'mAP of video classes',
    'video_top1': 'top-1 accuracy of video classes',
    'point/mAP': 'mAP by points',
    'point/recall': 'recall of points',
    'mining/labelled_share': 'share of labelled snippets',
    'mining/segments': 'mined segments',
    'refinement/pseudo_segments': 'pseudo segments of stage 2',
    'refinement/proposals': 'proposals of training videos for stage 2',
    'analysis/segment_tiou': 'tIoU of the mined segments',
    'analysis/pseudo_segment_tiou': 'tIoU of the pseudo segments of stage 2',
}
_PREFIXES = {
    'mAP@': 'mAP at tIoU ',
    'AR@': 'recall of proposals per video: ',
    'mining/given_': 'snippets with a given label: ',
    'mining/mined_': 'snippets with a mined label: ',
    'analysis/': 'mined labels: ',
    'loss_': 'loss: ',
}


def readable(key: str) -> str:
    """Readable name of the key of a measure or loss; for an unknown key, the key without underscores."""
    if key in _NAMES:
        return _NAMES[key]
    prefix = next((prefix for prefix in _PREFIXES if key.startswith(prefix)), '')
    return (_PREFIXES.get(prefix, '') + key.removeprefix(prefix)).replace('_', ' ')
