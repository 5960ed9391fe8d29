"""Writing of feature files of one video, and loading of them with the transform."""

import h5py
import numpy as np

from fsptal_mm.datasets import LoadSnippetFeatures
from fsptal_mm.structures import SnippetGrid


def write_features(path, array, **kwargs):
    """Write an array in the format of the suffix, under the name ``v1`` if the format has names; returns the path."""
    if path.suffix == '.npy':
        np.save(path, array)
    elif path.suffix == '.npz':
        np.savez_compressed(path, v1=array)
    elif path.suffix == '.csv':
        np.savetxt(path, array, delimiter=',', header='a,b,c', comments='')
    else:
        with h5py.File(path, 'w') as file:
            file.create_dataset('v1', data=array, **kwargs)
    return path


def load_features(*paths, duration_sec=2.0, video_id='v1', transform=None, grid=None, **kwargs):
    """Load features with ``LoadSnippetFeatures(**kwargs)``, for a video with snippets of half a second."""
    results = dict(video_id=video_id, feature_paths=[str(path) for path in paths])
    results |= dict(grid=grid or SnippetGrid(0.5), duration_sec=duration_sec)
    return (transform or LoadSnippetFeatures(**kwargs)).transform(results)
