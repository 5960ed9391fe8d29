from .searcher import SegmentLabels, SegmentSearcher

__all__ = ['SegmentLabels', 'SegmentSearcher']
