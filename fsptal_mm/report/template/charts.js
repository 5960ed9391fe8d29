'use strict';

const PLOT = {width: 360, height: 190, left: 46, right: 10, top: 8, bottom: 34};
const DASHES = ['', '6 3', '2 3', '8 3 2 3']; // dash patterns, which tell runs apart without colours
const MAX_DOTS = 40; // curves with at most so many points have a dot at each point

/** Draw a chart with a curve for each run; the pointer and the arrow keys show its values. */
function drawChart(parent, chart) {
  const xs = [...new Set(chart.series.flatMap((series) => series.x))].sort((a, b) => a - b);
  const ys = chart.series.flatMap((series) => series.y).filter((y) => y !== null);
  const scale = makeScale(xs, ys);
  const figure = add(parent, 'figure', {class: 'chart'});
  add(figure, 'figcaption', {}, chart.title);
  const svg = add(figure, 'svg', {viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, role: 'img', tabindex: 0});
  svg.setAttribute('aria-label', `${chart.title}, ${chart.series.length} curves; arrow keys read the values`);
  drawAxes(svg, scale, chart.x_title);
  for (const series of chart.series) drawCurve(svg, scale, series);
  const cursor = add(svg, 'line', {class: 'cursor', y1: PLOT.top, y2: PLOT.height - PLOT.bottom, visibility: 'hidden'});
  readValues(svg, cursor, scale, xs, chart);
}

/** Ranges of x and y, and functions from a value to its place in the picture. */
function makeScale(xs, ys) {
  let [low, high] = [Math.min(0, ...ys), Math.max(...ys)];
  high = ys.length && high > low ? low + (high - low) * 1.05 : low + 1;
  const [first, last] = [xs[0], xs.length > 1 ? xs[xs.length - 1] : xs[0] + 1];
  const [width, height] = [PLOT.width - PLOT.left - PLOT.right, PLOT.height - PLOT.top - PLOT.bottom];
  return {
    first, last, low, high,
    x: (value) => PLOT.left + ((value - first) / (last - first)) * width,
    y: (value) => PLOT.top + (1 - (value - low) / (high - low)) * height,
  };
}

function drawAxes(svg, scale, title) {
  const base = PLOT.height - PLOT.bottom;
  for (const value of ticks(scale.low, scale.high, 4)) {
    const y = scale.y(value);
    add(svg, 'line', {class: 'grid', x1: PLOT.left, x2: PLOT.width - PLOT.right, y1: y, y2: y});
    add(svg, 'text', {x: PLOT.left - 5, y: y + 4, 'text-anchor': 'end'}, round(value));
  }
  for (const value of ticks(scale.first, scale.last, 5).filter(Number.isInteger)) {
    add(svg, 'text', {x: scale.x(value), y: base + 14, 'text-anchor': 'middle'}, value);
  }
  add(svg, 'text', {x: (PLOT.left + PLOT.width) / 2, y: PLOT.height - 4, 'text-anchor': 'middle'}, title);
}

function drawCurve(svg, scale, series) {
  const group = add(svg, 'g', {class: runClass(series.run)});
  let path = '';
  series.x.forEach((x, index) => {
    if (series.y[index] === null) return; // the loss was NaN or Inf: the curve has a gap
    const joined = index > 0 && series.y[index - 1] !== null;
    path += `${joined ? 'L' : 'M'}${scale.x(x).toFixed(1)} ${scale.y(series.y[index]).toFixed(1)}`;
    if (series.x.length <= MAX_DOTS) add(group, 'circle', {class: 'dot', cx: scale.x(x), cy: scale.y(series.y[index]), r: 2.5});
  });
  add(group, 'path', {class: 'curve', d: path, 'stroke-dasharray': DASHES[series.run % DASHES.length]});
}

/** Show the values at the x nearest to the pointer, or at the x that the arrow keys chose. */
function readValues(svg, cursor, scale, xs, chart) {
  let at = xs.length - 1; // index of the x whose values are shown
  const show = (index) => {
    at = Math.max(0, Math.min(xs.length - 1, index));
    const lines = chart.series
      .map((series) => [series, series.y[series.x.indexOf(xs[at])]])
      .filter(([, value]) => value !== undefined)
      .map(([series, value]) => `${content.runs[series.run]}: ${value === null ? 'no number' : round(value)}`);
    cursor.setAttribute('x1', scale.x(xs[at]));
    cursor.setAttribute('x2', scale.x(xs[at]));
    cursor.setAttribute('visibility', 'visible');
    const box = svg.getBoundingClientRect();
    const x = box.left + (scale.x(xs[at]) / PLOT.width) * box.width;
    showTooltip([`${chart.title}, ${chart.x_title} ${xs[at]}`, ...lines].join('\n'), x, box.top + box.height / 3);
  };
  const hide = () => {
    cursor.setAttribute('visibility', 'hidden');
    hideTooltip();
  };
  svg.addEventListener('pointermove', (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * PLOT.width;
    const distances = xs.map((value) => Math.abs(scale.x(value) - x));
    show(distances.indexOf(Math.min(...distances)));
  });
  svg.addEventListener('pointerleave', hide);
  svg.addEventListener('blur', hide);
  svg.addEventListener('focus', () => svg.matches(':focus-visible') && show(at));
  svg.addEventListener('keydown', (event) => {
    const moves = {ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: xs.length - 1};
    if (event.key === 'Escape') hide();
    if (!(event.key in moves)) return;
    event.preventDefault();
    show(moves[event.key]);
  });
}
