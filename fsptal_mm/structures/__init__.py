from .segments import SnippetGrid, segment_iou

__all__ = ['SnippetGrid', 'segment_iou']
