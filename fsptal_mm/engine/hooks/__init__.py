from .result_file_hook import ResultFileHook

__all__ = ['ResultFileHook']
