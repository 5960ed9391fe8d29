"""Labels of one video, and the edits that change them.

Labels are immutable: an edit returns new labels. If the new labels cannot be saved, the old ones are still there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import get_field, to_number

MOST_UNDO = 100  # changes per video that can be undone
_MOST_SPENT_SEC = 60.0  # most working time that one message of the page can add; a page sends one every ten seconds


# Function from a time in seconds to the frame that is shown then: its index, and its start in seconds.
Snap: TypeAlias = Callable[[float], tuple[int, float]]


@dataclass(frozen=True)
class Point:
    """One labelled frame.

    Args:
        id: Random id that the page has chosen, unique within the video.
        frame: Index of the frame, from 0.
        time_sec: Start of the frame, in seconds from the first frame of the video.
        label: Name of the class; ``None`` for a background click.
    """

    id: str
    frame: int
    time_sec: float
    label: str | None


@dataclass(frozen=True)
class Change:
    """Change of one point, which is added, changed or deleted.

    Args:
        before: The point before the change; ``None`` if the change adds it.
        after: The point after the change; ``None`` if the change deletes it.
    """

    before: Point | None
    after: Point | None

    @property
    def reverse(self) -> 'Change':
        """Change that undoes this one."""
        return Change(self.after, self.before)


@dataclass(frozen=True)
class LabelledVideo:
    """Points of one video, and the changes that can be undone and redone.

    Args:
        points: Points in order of time.
        undo: Changes that can be undone, the latest change last.
        redo: Changes that were undone and can be redone; the change that was undone last comes last.
        done: Whether the annotator has marked the video as done, which means that all of it was seen.
        spent_sec: Working time of the annotator on this video, in seconds.
    """

    points: tuple[Point, ...] = ()
    undo: tuple[Change, ...] = ()
    redo: tuple[Change, ...] = ()
    done: bool = False
    spent_sec: float = 0.0


def apply_edit(labels: LabelledVideo, edit: dict[str, Any], classes: Sequence[str], snap: Snap) -> LabelledVideo:
    """Make one edit that the page asks for.

    Args:
        labels (LabelledVideo): Labels before the edit.
        edit (dict): ``edit_id``, ``action`` and further fields, which depend on the action. The actions, with their
            fields in brackets, are ``add`` (``time_sec``, ``label``), ``change`` (``point_id``, and ``time_sec``,
            ``label`` or both), ``delete`` (``point_id``), ``undo``, ``redo``, ``done`` (``done``, true or false) and
            ``spent`` (``seconds`` of working time). A label is the name of a class, or ``None`` for background. The
            ``edit_id`` of ``add`` becomes the id of the point.
        classes (Sequence[str]): Names of the classes.
        snap (Callable): Function from a time in seconds to the frame shown then: its index, and its start in seconds.

    Returns:
        LabelledVideo: Labels after the edit.

    Raises:
        InputError: There is no such action, point or class; a field is missing; a time is not a number >= 0; or the
            frame already has a point of this class.
    """
    action = get_field(edit, 'action', str)
    if action not in _ACTIONS:
        raise InputError(f'one of {", ".join(_ACTIONS)}', field='action', found=action)
    return _ACTIONS[action](labels, edit, classes, snap)


def _add(labels, edit, classes, snap):
    frame, time_sec = _frame(edit, snap)
    if any(point.id == edit['edit_id'] for point in labels.points):
        return labels
    return _make(labels, Change(None, Point(edit['edit_id'], frame, time_sec, _label(edit, classes))))


def _change(labels, edit, classes, snap):
    before = after = _find(labels, edit)
    if 'time_sec' in edit:
        frame, time_sec = _frame(edit, snap)
        after = replace(after, frame=frame, time_sec=time_sec)
    if 'label' in edit:
        after = replace(after, label=_label(edit, classes))
    return labels if after == before else _make(labels, Change(before, after))


def _delete(labels, edit, classes, snap):
    return _make(labels, Change(_find(labels, edit), None))


def _undo(labels, edit, classes, snap):
    if not labels.undo:
        return labels
    *undo, change = labels.undo
    return replace(_carry_out(labels, change.reverse), undo=tuple(undo), redo=(*labels.redo, change))


def _redo(labels, edit, classes, snap):
    if not labels.redo:
        return labels
    *redo, change = labels.redo
    return replace(_carry_out(labels, change), undo=(*labels.undo, change), redo=tuple(redo))


def _done(labels, edit, classes, snap):
    if not isinstance(edit.get('done'), bool):
        raise InputError('true or false', field='done', found=edit.get('done', 'nothing'))
    return replace(labels, done=edit['done'])


def _spent(labels, edit, classes, snap):
    seconds = min(to_number(edit.get('seconds'), 0, field='seconds'), _MOST_SPENT_SEC)
    return replace(labels, spent_sec=round(labels.spent_sec + seconds, 1))


_ACTIONS = {
    'add': _add,
    'change': _change,
    'delete': _delete,
    'undo': _undo,
    'redo': _redo,
    'done': _done,
    'spent': _spent,
}


def _make(labels, change):
    """Make a change and add it to ``undo``; an InputError if the frame already has another point of the class."""
    twin = change.after and next((point for point in labels.points if _same_label(point, change.after)), None)
    if twin:
        name = change.after.label or 'background'
        raise InputError(f'a frame without a point of {name}', field='time_sec', found=f'one at {twin.time_sec:.2f} s')
    return replace(_carry_out(labels, change), undo=(*labels.undo, change)[-MOST_UNDO:], redo=())


def _same_label(one, other):
    return one.id != other.id and (one.frame, one.label) == (other.frame, other.label)


def _carry_out(labels, change):
    """Replace the point before a change by the point after it; ``undo`` and ``redo`` of the video stay the same."""
    gone = change.before and change.before.id
    points = [point for point in labels.points if point.id != gone]
    if change.after:
        points.append(change.after)
    return replace(labels, points=tuple(sorted(points, key=lambda point: (point.frame, point.label or ''))))


def _find(labels, edit):
    """Point that an edit names."""
    point_id = get_field(edit, 'point_id', str)
    for point in labels.points:
        if point.id == point_id:
            return point
    raise InputError('a point of this video', field='point_id', found=point_id)


def _frame(edit, snap):
    """Index and start in seconds of the frame at the time of an edit."""
    frame, time_sec = snap(to_number(edit.get('time_sec'), 0, field='time_sec'))
    return frame, round(time_sec, 6)


def _label(edit, classes):
    """Class of an edit; ``None`` for background. A missing or unknown label is an InputError."""
    label = edit.get('label', '')
    if label is not None and label not in classes:
        raise InputError(f'one of the classes {", ".join(classes)}', field='label', found=label)
    return label
