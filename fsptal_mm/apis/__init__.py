from .tal_inferencer import TALInferencer

__all__ = ['TALInferencer']
