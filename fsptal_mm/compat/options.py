"""Repairs of how mmengine reads options; :mod:`fsptal_mm.compat` makes them."""

import argparse
import functools

from mmengine.config import Config, DictAction


def move_nested_data_root():
    """Make ``--cfg-options data_root=X`` reach every path below the old ``data_root``.

    Symptom: data are still read from the old folder.
    Cause: ``Config.merge_from_dict`` changes the top-level key only; the paths made from it are plain strings by then.
    Every string that is the old value, or begins with it and a ``/``, follows, at any depth; what the same options set
    explicitly stays as set. Only configs that import ``fsptal_mm`` are affected, as this wraps mmengine's method.
    Delete when: ``--cfg-options`` of mmengine resolves references between the values of a config.
    """
    probe = Config(dict(data_root='old', nested=dict(path='old/file')))
    probe.merge_from_dict(dict(data_root='new'))
    if probe.nested.path == 'new/file':
        return False
    merge = Config.merge_from_dict

    @functools.wraps(merge)
    def merge_from_dict(self, options, allow_list_keys=True):
        old, new = self.get('data_root'), options.get('data_root')
        if isinstance(old, str) and isinstance(new, str):
            _move(self._cfg_dict, old, new or '.')  # before the merge, so that the options have the last word
        merge(self, options, allow_list_keys)

    Config.merge_from_dict = merge_from_dict
    return True


def _move(node, old, new):
    """Return ``node`` with the leading folder ``old`` of its strings replaced by ``new``; dicts change in place."""
    if isinstance(node, (list, tuple)):
        return type(node)(_move(value, old, new) for value in node)
    if isinstance(node, dict):
        for key, value in dict.items(node):  # ConfigDict.items would import and build the objects of a lazy config
            dict.__setitem__(node, key, _move(value, old, new))
    stem = old.rstrip('/')
    if isinstance(node, str) and stem and f'{node}/'.startswith(f'{stem}/'):
        return new.rstrip('/') + node[len(stem) :] or '/'
    return node


def name_what_is_no_option():
    """Say which text behind ``--cfg-options`` is none, and how one looks.

    Symptom: a traceback that ends with ``ValueError: not enough values to unpack``, or with ``AssertionError``.
    Cause: ``DictAction`` takes every text to be ``KEY=VALUE`` with balanced brackets; argparse reports its own errors.
    Delete when: mmengine's action raises ``argparse.ArgumentError`` itself.
    """
    parse, option = DictAction.__call__, DictAction(['--cfg-options'], 'cfg_options', nargs='+')
    try:
        parse(option, None, argparse.Namespace(), ['nothing'])
    except argparse.ArgumentError:
        return False
    except (ValueError, AssertionError):
        pass

    @functools.wraps(parse)
    def parse_or_report(self, parser, namespace, values, option_string=None):
        try:
            parse(self, parser, namespace, values, option_string)
        except (ValueError, AssertionError) as error:
            wrong = [value for value in values if '=' not in value] or values
            raise argparse.ArgumentError(self, f'expected KEY=VALUE, but got {" ".join(wrong)}') from error

    DictAction.__call__ = parse_or_report
    return True
