from .hooks import ResultFileHook

__all__ = ['ResultFileHook']
