'use strict';

const SVG = 'http://www.w3.org/2000/svg';
const content = JSON.parse(document.getElementById('content').textContent);
const tooltip = document.getElementById('tooltip');

/** Add an element to `parent`; its text is set as text, never as HTML. */
function add(parent, name, attributes = {}, text = null) {
  const svg = name === 'svg' || parent.namespaceURI === SVG;
  const element = svg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== null) element.textContent = text;
  parent.append(element);
  return element;
}

/** CSS class with the colour of a run; there are eight colours. */
function runClass(number) {
  return `run-${number % 8}`;
}

/** Show a text beside a place in the window, so that all of it is visible. */
function showTooltip(text, x, y) {
  tooltip.textContent = text;
  tooltip.hidden = false;
  const box = tooltip.getBoundingClientRect();
  tooltip.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - box.width - 4))}px`;
  tooltip.style.top = `${y + 16 + box.height > innerHeight ? Math.max(4, y - box.height - 12) : y + 16}px`;
}

function hideTooltip() {
  tooltip.hidden = true;
}

/** Return about `count` round numbers from `low` to `high`. */
function ticks(low, high, count) {
  const rough = (high - low || 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999); // 0.999 allows for rounding errors
  const found = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index += 1) found.push(index * step);
  return found;
}

/** Text of a number with four digits. */
function round(value) {
  return Number(value.toPrecision(4)).toString();
}
