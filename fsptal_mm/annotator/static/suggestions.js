// Suggestions of a model for one video, the most uncertain first, and the one that is looked at.

export class Suggestions {
  constructor(found, times) {
    // A results file knows no best frame of a detection: its middle stands for it.
    this.all = found.map((one, id) => ({ ...one, id, frame: times.at((one.start_sec + one.end_sec) / 2) }));
    this.current = null;
  }

  // Those without an answer. It follows from the points, so that undo takes it back: a point at this very frame, or one
  // of the same class anywhere in the detection.
  open(points) {
    const answers = (point, { frame, label, start_sec: start, end_sec: end }) =>
      point.frame === frame || (point.label === label && start <= point.time_sec && point.time_sec < end);
    return this.all.filter((one) => !points.some((point) => answers(point, one)));
  }

  // Go to the next open one, or to the one before, and around the end; null if there is none.
  step(direction, points) {
    const { length } = this.all;
    const open = this.open(points);
    const place = this.current?.id ?? (direction > 0 ? -1 : length);
    const others = this.all.map((_, steps) => this.all[(place + (steps + 1) * direction + 2 * length) % length]);
    this.current = others.find((one) => open.includes(one)) ?? null;
    return this.current;
  }
}
