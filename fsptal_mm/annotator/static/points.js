// Points of a video as they will be when the edits that are on their way to the server are saved.

function apply(points, edit, times) {
  const placed = () => {
    const frame = times.at(edit.time_sec);
    return { frame, time_sec: times.startSec[frame] };
  };
  switch (edit.action) {
    case 'add':
      if (points.some(({ id }) => id === edit.edit_id)) return points;
      return [...points, { id: edit.edit_id, label: edit.label, ...placed(), waiting: true }];
    case 'change':
      return points.map((point) => {
        if (point.id !== edit.point_id) return point;
        const changed = { ...point, waiting: true };
        if ('label' in edit) changed.label = edit.label;
        if ('time_sec' in edit) Object.assign(changed, placed());
        return changed;
      });
    case 'delete':
      return points.filter(({ id }) => id !== edit.point_id);
    default: // undo, redo: only the server knows their result
      return points;
  }
}

// The first point that is in only one of two lists of saved points; undefined if the lists are equal.
export function firstDifference(before, after) {
  const isIn = (points) => ({ id, label, frame }) =>
    points.some((one) => one.id === id && one.label === label && one.frame === frame);
  return before.find((point) => !isIn(after)(point)) ?? after.find((point) => !isIn(before)(point));
}

export function withEdits(points, edits, times) {
  const after = edits.reduce((before, edit) => apply(before, edit, times), points);
  return after.toSorted((one, other) => one.frame - other.frame);
}
