from .searcher import SegmentSearcher

__all__ = ['SegmentSearcher']
