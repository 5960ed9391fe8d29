// Suggestions of a model for one video, the most uncertain first, and the current one, at which the annotator looks.

export class Suggestions {
  constructor(found, times) {
    // A results file states no best frame of a detection: the frame in the middle is shown.
    // `first` is the first frame of the detection, which may begin within it.
    const frames = ({ start_sec: start, end_sec: end }) => ({ first: times.at(start), frame: times.at((start + end) / 2) });
    this.all = found.map((one, id) => ({ ...one, id, ...frames(one) }));
    this.current = null;
  }

  // Suggestions without an answer. A point is the answer to a suggestion if it lies at the suggestion's frame, or if it
  // has the same class and lies anywhere in the detection. So one point answers all suggestions of an action, and undo
  // also takes back an answer.
  open(points) {
    const answers = (point, { first, frame, label, end_sec: end }) =>
      point.frame === frame || (point.label === label && first <= point.frame && point.time_sec < end);
    return this.all.filter((one) => !points.some((point) => answers(point, one)));
  }

  // Go to the next open suggestion (direction 1), or to the one before (-1); after the last comes the first. Returns
  // null if there is none.
  step(direction, points) {
    const { length } = this.all;
    const open = this.open(points);
    const place = this.current?.id ?? (direction > 0 ? -1 : length);
    // All suggestions in the order in which they are passed. 2 * length keeps the place positive, as % requires.
    const others = this.all.map((_, steps) => this.all[(place + (steps + 1) * direction + 2 * length) % length]);
    this.current = others.find((one) => open.includes(one)) ?? null;
    return this.current;
  }
}
