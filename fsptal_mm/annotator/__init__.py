"""A local web page on which a person labels one frame per action: point labels for own videos.

``tools/annotate.py`` starts it. :class:`Project` is the file with the labels, :class:`PageApi` what the page can ask
for, :class:`AnnotationServer` how it asks: HTTP on 127.0.0.1.
"""

from .class_keys import ClassKey, read_class_keys
from .page_api import PageApi
from .project import Project
from .server import AnnotationServer
from .video_files import find_videos

__all__ = ['AnnotationServer', 'ClassKey', 'PageApi', 'Project', 'find_videos', 'read_class_keys']
