// Time axis with the points and suggestions of a video: the whole video, or the seconds around the frame that is shown.

import { clock, nameOf } from './marks.js';

const DRAG_PIXELS = 4; // if the pointer moves no farther while it is pressed, it is a click, not a drag
const TICK_STEPS_SEC = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];
const TICK_PIXELS = 70; // smallest distance of two ticks
const DOT_PIXELS = 26; // smallest distance of two points in the same row

export class Timeline {
  // spanSec: number of seconds that the timeline shows; null for the whole video.
  constructor(element, spanSec, { onSeek, onSelect, onMove }) {
    Object.assign(this, { element, spanSec, onSeek, onSelect, onMove });
    this.ticks = this.#layer('ticks');
    this.spans = this.#layer('spans');
    this.dots = this.#layer('dots');
    this.head = this.#layer('head');
    this.points = [];
    this.suggestions = [];
    element.addEventListener('pointerdown', (event) => this.#press(event));
    new ResizeObserver(() => this.draw()).observe(element);
  }

  // times: start times of the frames (FrameTimes); null if no video is open.
  setVideo(times) {
    this.times = times;
    this.frame = 0;
    for (const layer of this.element.children) layer.hidden = !times;
  }

  // Set the suggestions. They are drawn by the next call of setPoints, together with the points.
  setSuggestions(suggestions, current) {
    Object.assign(this, { suggestions, current });
  }

  setPoints(points, selected, marks) {
    Object.assign(this, { points, selected, marks });
    this.draw();
  }

  setFrame(frame) {
    this.frame = frame;
    if (this.spanSec) this.draw();
    else this.#place(this.head, this.times.startSec[frame]);
  }

  // Range of time that the timeline shows. If it shows the seconds around a frame, the range may begin before the video
  // or end after it.
  get window() {
    if (!this.spanSec) return { startSec: 0, lengthSec: Math.max(this.times.durationSec, 1e-3) };
    return { startSec: this.times.startSec[this.frame] - this.spanSec / 2, lengthSec: this.spanSec };
  }

  draw() {
    if (!this.times) return;
    const { startSec, lengthSec } = this.window;
    this.#place(this.head, this.times.startSec[this.frame]);
    this.#drawTicks(startSec, lengthSec);
    const visible = this.points.filter((point) => {
      const place = (point.time_sec - startSec) / lengthSec;
      return place > -0.02 && place < 1.02;
    });
    this.spans.replaceChildren(...this.suggestions.map((one) => this.#span(one, lengthSec)));
    this.dots.replaceChildren(...visible.map((point) => this.#dot(point)));
    this.#spread(visible, lengthSec);
  }

  // Move each point that would cover the point before it into a second row.
  #spread(points, lengthSec) {
    const apartSec = (DOT_PIXELS / this.element.clientWidth) * lengthSec;
    let lastInFirstRow = -Infinity;
    points.forEach((point, place) => {
      const second = point.time_sec - lastInFirstRow < apartSec;
      this.dots.children[place].classList.toggle('second', second);
      lastInFirstRow = second ? -Infinity : point.time_sec;
    });
  }

  #dot(point) {
    const dot = this.marks.element(point.label);
    dot.dataset.point = point.id;
    dot.title = `${nameOf(point.label)}, ${clock(point.time_sec, 2)}`;
    dot.classList.toggle('selected', point.id === this.selected);
    dot.classList.toggle('waiting', point.waiting === true);
    this.#place(dot, point.id === this.dragged?.id ? this.dragged.timeSec : point.time_sec);
    return dot;
  }

  #span(suggestion, lengthSec) {
    const span = document.createElement('div');
    span.dataset.suggestion = suggestion.id;
    span.classList.toggle('current', suggestion === this.current);
    span.style.setProperty('--color', this.marks.of(suggestion.label).color);
    span.style.width = `${(100 * (suggestion.end_sec - suggestion.start_sec)) / lengthSec}%`;
    this.#place(span, suggestion.start_sec);
    return span;
  }

  #drawTicks(startSec, lengthSec) {
    const stepSec = TICK_STEPS_SEC.find((sec) => (sec / lengthSec) * this.element.clientWidth >= TICK_PIXELS) ?? 7200;
    const ticks = [];
    const endSec = Math.min(startSec + lengthSec, this.times.durationSec);
    for (let tick = Math.max(0, Math.ceil(startSec / stepSec)); tick * stepSec <= endSec; tick += 1) {
      const element = document.createElement('span');
      element.textContent = clock(tick * stepSec, stepSec < 1 ? 1 : 0);
      this.#place(element, tick * stepSec);
      ticks.push(element);
    }
    const film = document.createElement('div'); // background of the part of the axis that the video covers
    film.className = 'film';
    this.#place(film, Math.max(0, startSec));
    film.style.width = `${(100 * (endSec - Math.max(0, startSec))) / lengthSec}%`;
    this.ticks.replaceChildren(film, ...ticks);
  }

  #place(element, sec) {
    const { startSec, lengthSec } = this.window;
    element.style.left = `${(100 * (sec - startSec)) / lengthSec}%`;
  }

  #layer(name) {
    const layer = document.createElement('div');
    layer.className = name;
    this.element.append(layer);
    return layer;
  }

  // A press on a point selects the point, and a drag moves it. A press or a drag elsewhere seeks the time under the
  // pointer.
  #press(event) {
    if (!this.times || event.button !== 0) return;
    event.preventDefault();
    // While the pointer is down, the range of time is kept for all positions, although the frame that is shown changes.
    const { startSec, lengthSec } = this.window;
    const box = this.element.getBoundingClientRect();
    const secAt = (x) => {
      const sec = startSec + ((x - box.left) / box.width) * lengthSec;
      return Math.max(0, Math.min(this.times.durationSec, sec));
    };
    const point = this.points.find(({ id }) => id === event.target.closest('[data-point]')?.dataset.point);
    if (point) this.onSelect(point.id);
    else this.onSeek(secAt(event.clientX));
    let moved = false;
    const move = (now) => {
      moved ||= Math.abs(now.clientX - event.clientX) > DRAG_PIXELS;
      if (!moved) return;
      if (point) this.dragged = { id: point.id, timeSec: secAt(now.clientX) };
      this.onSeek(secAt(now.clientX));
    };
    const end = (now) => {
      this.element.removeEventListener('pointermove', move);
      this.element.removeEventListener('pointerup', end);
      this.element.removeEventListener('pointercancel', end);
      this.dragged = null;
      if (point && moved && now.type === 'pointerup') this.onMove(point.id, secAt(now.clientX));
      this.draw();
    };
    this.element.setPointerCapture(event.pointerId);
    this.element.addEventListener('pointermove', move);
    this.element.addEventListener('pointerup', end);
    this.element.addEventListener('pointercancel', end);
  }
}
