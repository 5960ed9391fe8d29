"""What the API pages need beyond plain docstrings: roles as links, and comments of constants as their descriptions.

``:class:`SnippetBatch``` becomes the name, linked to its description. An extension of griffe, which reads the
package for mkdocstrings (``mkdocs.yml``).
"""

import re
from functools import partial

import griffe

_ROLE = re.compile(r':(?:class|func|meth|attr|data|mod):`~?([\w.]+)`')


class ApiDocstrings(griffe.Extension):
    """Completes the docstrings of a package before its pages are rendered."""

    def on_package(self, *, pkg, **kwargs):
        """See the class; called once the whole package is read."""
        objects = [pkg, *_descendants(pkg)]
        paths = {}
        for obj in objects:
            paths.setdefault(obj.name, obj.path)
        for obj in objects:
            if obj.is_attribute and obj.parent.is_module and not obj.docstring:
                obj.docstring = griffe.Docstring(_comment_of(obj) or 'Constant.', parent=obj)
            if obj.docstring:
                obj.docstring.value = _ROLE.sub(partial(_link, obj, paths), obj.docstring.value)


def _descendants(obj):
    for member in obj.members.values():
        if not member.is_alias:
            yield member
            yield from _descendants(member)


def _comment_of(constant):
    """The comment above a constant, or behind it."""
    lines = constant.parent.filepath.read_text().splitlines()
    first = constant.lineno - 1
    start = first
    while start and lines[start - 1].startswith('# '):
        start -= 1
    above = ' '.join(line.removeprefix('# ') for line in lines[start:first])
    return above or lines[first].partition('  # ')[2].capitalize()


def _link(obj, paths, role):
    """The name in a role as code, linked if the pages describe it (``optional``): private parts have no place there."""
    name = role[1]
    shown = name.rsplit('.', 1)[-1] if name.startswith('fsptal_mm.') else name
    first, _, rest = name.partition('.')
    scope = obj if obj.is_class else obj.parent
    if name.startswith('fsptal_mm.'):
        path = name
    elif scope is not None and scope.is_class and first in scope.members:
        path = f'{scope.path}.{name}'
    else:
        path = '.'.join(filter(None, (paths.get(first, first), rest)))
    return f'<autoref optional identifier="{path}"><code>{shown}</code></autoref>'
