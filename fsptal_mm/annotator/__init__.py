"""Program for labelling: a local web page on which a person, the annotator, labels one frame per action in videos.

``tools/annotate.py`` starts it. :class:`Project` keeps the labels in a file. :class:`PageApi` answers the requests of
the page. :class:`AnnotationServer` sends the page and the answers by HTTP, on 127.0.0.1 only.
"""

from .class_keys import ClassKey, read_class_keys
from .page_api import PageApi
from .project import Project
from .server import AnnotationServer
from .suggestions import read_suggestions
from .video_files import find_videos

__all__ = ['AnnotationServer', 'ClassKey', 'PageApi', 'Project', 'find_videos', 'read_class_keys', 'read_suggestions']
