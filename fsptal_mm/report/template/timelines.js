'use strict';

// A detection is an array [start, end, score, class, hit], a ground-truth segment [start, end, class], a point
// [time, class], as page_content of timelines.py writes them.

// Heights in pixels. The row of a class has a strip and below it a lane for each run.
const LANE = 44; // height of a lane
const LOW_LANE = 24; // height of a lane of a class without instances in the video
const BAR = 6; // height of a detection
const STRIP = 8; // height of the strip, which shows ground-truth segments and points

const MAX_ZOOM = 64;
const MAX_OTHERS = 8; // largest number of rows of classes without instances in the video

/** Draw the videos of one test set, and the filters that they share. */
function drawTimelines(parent, set) {
  const scores = set.videos.flatMap((video) => video.runs.flatMap((run) => run.detections.map((one) => one[2])));
  const filter = {label: null, score: set.threshold ?? -Infinity};
  const controls = add(parent, 'div', {class: 'controls', role: 'group', 'aria-label': 'Filter of detections'});
  const views = [];
  const refresh = () => views.forEach((view) => view.draw());
  addClassFilter(controls, set.classes, filter, refresh);
  addScoreFilter(controls, scores, filter, refresh);
  for (const kind of ['best', 'worst']) {
    const videos = set.videos.filter((video) => video.kind === kind);
    if (videos.length) add(parent, 'h3', {}, kind === 'best' ? 'Best' : 'Worst');
    for (const video of videos) views.push(new VideoView(parent, video, set, filter));
  }
  addEventListener('resize', () => views.forEach((view) => view.drawAxis()));
}

function addClassFilter(controls, classes, filter, refresh) {
  const select = add(add(controls, 'label', {}, 'Class '), 'select', {class: 'class-filter'});
  add(select, 'option', {value: ''}, 'all');
  classes.forEach((name, index) => add(select, 'option', {value: index}, name));
  select.addEventListener('change', () => {
    filter.label = select.value === '' ? null : Number(select.value);
    refresh();
  });
}

function addScoreFilter(controls, scores, filter, refresh) {
  const [low, high] = scores.length ? [Math.min(...scores), Math.max(...scores)] : [0, 1];
  const label = add(controls, 'label', {}, 'Score at least ');
  const start = Math.min(Math.max(filter.score, low), high);
  const range = add(label, 'input', {type: 'range', min: low, max: high, step: 'any', value: start, 'aria-label': 'Score at least'});
  const number = add(label, 'input', {type: 'number', class: 'score-filter', step: 'any', value: round(start), 'aria-label': 'Score at least'});
  const set = (value, other, shown) => {
    filter.score = value;
    other.value = shown;
    refresh();
  };
  range.addEventListener('input', () => set(Number(range.value), number, round(Number(range.value))));
  number.addEventListener('input', () => set(number.value === '' ? -Infinity : Number(number.value), range, number.value));
}

/** The timeline of one video: a row for each class, a lane in it for each run, a bar for each detection. */
class VideoView {
  constructor(parent, video, {classes, unit}, filter) {
    const byPoints = unit === 'point';
    const toFind = byPoints ? 'point' : 'ground-truth segment';
    Object.assign(this, {video, classes, byPoints, toFind, filter, zoom: 1});
    const article = add(parent, 'article', {class: 'video', 'data-video': video.id});
    add(article, 'h4', {}, video.id);
    const facts = add(article, 'p', {class: 'facts'});
    add(facts, 'span', {class: 'quiet'}, `${round(video.duration_sec)} s, ${counted((byPoints ? video.points : video.truth).length, toFind)}`);
    this.counts = video.runs.map((run) => {
      const fact = add(facts, 'span');
      add(fact, 'span', {class: `swatch ${runClass(run.run)}`, 'aria-hidden': 'true'});
      fact.append(`${content.runs[run.run]}: AP ${(100 * run.ap).toFixed(1)}, `);
      return add(fact, 'span', {class: 'count'});
    });
    this.addZoom(facts);
    this.scroll = add(article, 'div', {class: 'scroll'});
    this.inner = add(this.scroll, 'div', {class: 'inner', role: 'group'});
    this.inner.setAttribute('aria-label', `Detections in ${video.id}; left and right by time, up and down by score`);
    this.inner.addEventListener('keydown', (event) => this.move(event));
    this.ranges = video.runs.map((run) => {
      const scores = run.detections.map((one) => one[2]);
      return scores.length ? [Math.min(...scores), Math.max(...scores)] : [0, 1];
    });
    this.draw();
  }

  addZoom(parent) {
    const zoom = add(parent, 'span', {class: 'zoom'});
    for (const [text, name, next] of [
      ['−', 'Zoom out', () => this.zoom / 2], ['+', 'Zoom in', () => this.zoom * 2], ['whole', 'Whole video', () => 1],
    ]) {
      add(zoom, 'button', {type: 'button', 'aria-label': name, title: name}, text).addEventListener('click', () => {
        const middle = (this.scroll.scrollLeft + this.scroll.clientWidth / 2) / this.scroll.scrollWidth;
        this.zoom = Math.max(1, Math.min(MAX_ZOOM, next()));
        this.inner.style.width = `${100 * this.zoom}%`;
        this.scroll.scrollLeft = middle * this.scroll.scrollWidth - this.scroll.clientWidth / 2;
        this.drawAxis();
      });
    }
  }

  /** Place of a time on the axis. */
  percent(time) {
    return `${Math.max(0, Math.min(100, (100 * time) / this.video.duration_sec))}%`;
  }

  /** Draw all rows anew, with the detections that the filter lets through. */
  draw() {
    const {label, score} = this.filter;
    this.inner.replaceChildren();
    this.bars = [];
    const shown = this.video.runs.map((run) => run.detections.filter((one) => one[2] >= score && (label === null || one[3] === label)));
    shown.forEach((found, lane) => {
      const run = this.video.runs[lane];
      const capped = run.total > run.detections.length ? ` (the best of ${run.total})` : '';
      this.counts[lane].textContent = `${found.length} of ${run.detections.length} detections shown${capped}`;
    });
    const rows = this.classes.map((name, index) => {
      const visible = label === null || label === index;
      const truth = this.video.truth.filter((one) => visible && one[2] === index);
      const points = this.video.points.filter((one) => visible && one[1] === index);
      const lanes = shown.map((found) => found.filter((one) => one[3] === index));
      return {name, truth, points, lanes, known: (this.byPoints ? points : truth).length > 0};
    }).filter(({known, lanes}) => known || lanes.some((lane) => lane.length));
    const best = ({lanes}) => Math.max(...lanes.flat().map((one) => one[2])); // highest score in a row
    const others = rows.filter(({known}) => !known).sort((one, other) => best(other) - best(one));
    rows.filter(({known}) => known).forEach((row) => this.drawRow(row));
    others.slice(0, MAX_OTHERS).forEach((row) => this.drawRow(row));
    const hidden = others.slice(MAX_OTHERS).map(({name}) => name);
    if (hidden.length) {
      const text = `${hidden.length} more ${hidden.length === 1 ? 'class' : 'classes'} without a ${this.toFind} here; the class filter shows them: ${hidden.join(', ')}`;
      add(this.inner, 'div', {class: 'row-note'}, text);
    }
    if (!rows.length) add(this.inner, 'div', {class: 'row-note'}, 'nothing to show with this filter');
    this.bars.sort((one, other) => one.found[0] - other.found[0] || one.found[1] - other.found[1]);
    if (this.bars.length) this.bars[0].element.setAttribute('tabindex', 0);
    this.axis = add(this.inner, 'div', {class: 'axis'});
    this.drawAxis();
  }

  drawRow({name, truth, points, lanes, known}) {
    const laneHeight = known ? LANE : LOW_LANE;
    const row = add(this.inner, 'div', {class: 'row', 'data-class': name});
    add(row, 'span', {class: 'row-label'}, name);
    const height = STRIP + laneHeight * lanes.length + 4;
    const svg = add(row, 'svg', {height});
    add(svg, 'g', {class: 'lines'});
    for (const [start, end] of this.video.ambiguous) this.addSpan(svg, 'ambiguous', start, end, 1, height - 2);
    for (const [start, end] of truth) {
      this.addSpan(svg, 'truth-shade', start, end, 0, height);
      const strip = this.addSpan(svg, 'truth', start, end, 1, STRIP - 3);
      this.explain(strip, `ground truth: ${name}\n${seconds(start, end)}`);
    }
    for (const [time] of points) {
      const x = this.percent(time);
      if (this.byPoints) add(svg, 'line', {class: 'point-line', x1: x, x2: x, y1: 0, y2: height});
      const point = add(svg, 'circle', {class: 'point', cx: x, cy: STRIP / 2, r: 4});
      this.explain(point, `point label: ${name}\n${time.toFixed(2)} s`);
    }
    lanes.forEach((found, lane) => {
      const group = add(svg, 'g', {class: runClass(this.video.runs[lane].run)});
      for (const one of [...found].reverse()) this.addBar(group, name, lane, laneHeight, one); // the best last, hence on top
    });
  }

  addSpan(parent, kind, start, end, y, height) {
    const width = `${Math.max(0, (100 * (end - start)) / this.video.duration_sec)}%`;
    return add(parent, 'rect', {class: kind, x: this.percent(start), width, y, height});
  }

  addBar(parent, name, lane, laneHeight, found) {
    const [start, end, score, , hit] = found;
    const [low, high] = this.ranges[lane];
    const up = high > low ? Math.sqrt((score - low) / (high - low)) : 1; // the square root spreads the many low scores
    const y = STRIP + laneHeight * lane + 3 + (1 - up) * (laneHeight - BAR - 4);
    const kind = `${hit ? 'true' : 'false'} positive`;
    const element = this.addSpan(parent, `detection ${kind.replace(' ', '-')}`, start, end, y, BAR);
    const verdict = `${kind} ${this.byPoints ? 'by points' : `at tIoU ${content.tiou}`}`;
    const text = `${name}\nscore ${Math.abs(score) < 0.001 ? score.toPrecision(2) : score.toFixed(3)}, ${seconds(start, end)}\n${content.runs[this.video.runs[lane].run]}, ${verdict}`;
    element.setAttribute('tabindex', -1);
    this.explain(element, text);
    this.bars.push({element, found});
  }

  /** Show a text while the pointer or the focus is on an element. */
  explain(element, text) {
    element.setAttribute('role', 'img');
    element.setAttribute('aria-label', text.replaceAll('\n', ', '));
    element.addEventListener('pointermove', (event) => showTooltip(text, event.clientX, event.clientY));
    element.addEventListener('pointerleave', hideTooltip);
    const show = () => {
      const box = element.getBoundingClientRect();
      if (document.activeElement === element) showTooltip(text, Math.max(0, box.left), box.bottom);
    };
    element.addEventListener('focus', () => {
      show();
      requestAnimationFrame(show); // Tab scrolls the bar into view after the focus event
    });
    element.addEventListener('blur', hideTooltip);
  }

  /** Move the focus from bar to bar with the arrow keys: left and right by time, up and down by score. */
  move(event) {
    const step = {ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, Home: -Infinity, End: Infinity}[event.key];
    if (event.key === 'Escape') hideTooltip();
    if (step === undefined) return;
    event.preventDefault();
    const vertical = event.key === 'ArrowUp' || event.key === 'ArrowDown';
    const order = vertical ? [...this.bars].sort((one, other) => one.found[2] - other.found[2]) : this.bars;
    const at = order.findIndex((bar) => bar.element === document.activeElement);
    const next = order[Math.max(0, Math.min(order.length - 1, at + step))];
    this.bars.forEach((bar) => bar.element.setAttribute('tabindex', bar === next ? 0 : -1));
    next.element.scrollIntoView({block: 'nearest', inline: 'nearest'});
    next.element.focus({preventScroll: true});
  }

  drawAxis() {
    const width = this.inner.clientWidth || 800;
    const times = ticks(0, this.video.duration_sec, Math.max(2, Math.floor(width / 90)));
    for (const lines of this.inner.querySelectorAll('.lines')) {
      lines.replaceChildren();
      for (const time of times) add(lines, 'line', {class: 'grid', x1: this.percent(time), x2: this.percent(time), y1: 0, y2: '100%'});
    }
    this.axis.replaceChildren();
    const svg = add(this.axis, 'svg', {height: 20, 'aria-hidden': 'true'});
    times.forEach((time) => {
      const place = time / this.video.duration_sec;
      const anchor = place * width < 20 ? 'start' : (1 - place) * width < 20 ? 'end' : 'middle';
      add(svg, 'text', {x: this.percent(time), y: 14, 'text-anchor': anchor}, `${round(time)} s`);
    });
  }
}

function counted(number, thing) {
  return `${number} ${thing}${number === 1 ? '' : 's'}`;
}

function seconds(start, end) {
  return `${start.toFixed(2)}–${end.toFixed(2)} s`;
}
