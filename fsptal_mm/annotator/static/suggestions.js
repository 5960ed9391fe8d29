// Suggestions of a model for one video, the most uncertain first. `current` is the suggestion that the page shows.

export class Suggestions {
  constructor(found, times) {
    // `frame`, which is shown, is that of the best snippet. If the results file does not state it, it is the middle.
    // `first` is the first frame of the detection; the detection may begin while this frame is shown.
    const frames = ({ start_sec: start, end_sec: end, best_sec: best }) => ({
      first: times.at(start),
      frame: times.at(best ?? (start + end) / 2),
    });
    this.all = found.map((one, id) => ({ ...one, id, ...frames(one) }));
    this.current = null;
  }

  // Suggestions without an answer. A point answers a suggestion if it lies at the suggestion's frame, or if it has the
  // same class and lies anywhere in the detection. So one point answers all suggestions of an action. Since answers are
  // points, undo takes back an answer, too.
  open(points) {
    const answers = (point, { first, frame, label, end_sec: end }) =>
      point.frame === frame || (point.label === label && first <= point.frame && point.time_sec < end);
    return this.all.filter((one) => !points.some((point) => answers(point, one)));
  }

  // Go to the next suggestion without an answer (direction 1), or to the previous one (-1); after the last comes the
  // first. Returns null if all suggestions are answered.
  step(direction, points) {
    const { length } = this.all;
    const open = this.open(points);
    const place = this.current?.id ?? (direction > 0 ? -1 : length);
    // All suggestions, in the order in which they come after the current one. 2 * length is added, since % of a
    // negative number is negative.
    const others = this.all.map((_, steps) => this.all[(place + (steps + 1) * direction + 2 * length) % length]);
    this.current = others.find((one) => open.includes(one)) ?? null;
    return this.current;
  }
}
