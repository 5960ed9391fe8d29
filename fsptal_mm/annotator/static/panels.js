// Display of everything around the picture: classes, points, suggestions, videos, progress and messages.

import { clock, counted, nameOf } from './marks.js';

export const byId = (id) => document.getElementById(id);

const SAVED_TEXT = {
  saved: () => 'saved',
  saving: () => 'saving …',
  unsaved: (count, why) => `${count ? `${count} not saved, ` : ''}trying again: ${why}`,
};

export function showSaved(state, count, why) {
  const element = byId('saved');
  element.dataset.state = state;
  element.textContent = SAVED_TEXT[state](count, why);
}

export function showClasses(marks, onClick) {
  byId('classes').replaceChildren(
    ...marks.all.map(({ name }) => {
      const button = element('button', nameOf(name), { title: nameOf(name) });
      button.dataset.label = nameOf(name);
      button.prepend(marks.element(name));
      button.append(element('span', '', { className: 'count' }));
      button.addEventListener('click', () => onClick(name));
      return button;
    }),
  );
}

export function showCounts(points) {
  for (const button of byId('classes').children) {
    const count = points.filter(({ label }) => nameOf(label) === button.dataset.label).length;
    button.querySelector('.count').textContent = count || '';
  }
  byId('point-count').textContent = points.length ? `${points.length} in this video` : 'none yet';
}

export function showPoints(points, selected, marks, onClick) {
  byId('points').replaceChildren(
    ...points.map((point) => {
      const item = document.createElement('li');
      const button = element('button', nameOf(point.label));
      button.prepend(marks.element(point.label), element('time', clock(point.time_sec, 2)));
      button.dataset.point = point.id;
      button.dataset.frame = point.frame;
      button.classList.toggle('selected', point.id === selected);
      button.classList.toggle('waiting', point.waiting === true);
      button.addEventListener('click', () => onClick(point.id));
      item.append(button);
      return item;
    }),
  );
  byId('points').querySelector('.selected')?.scrollIntoView({ block: 'nearest' });
  byId('point-help').hidden = !points.some(({ id }) => id === selected);
}

export function showSuggestion(open, current, marks) {
  byId('suggestion-count').textContent = open.length ? `${open.length} open in this video` : 'none open in this video';
  const shown = open.includes(current) ? current : null;
  const text = shown
    ? `${nameOf(shown.label)}, ${clock(shown.start_sec, 1)} – ${clock(shown.end_sec, 1)}, score ${shown.score.toFixed(2)}`
    : '';
  byId('suggestion').replaceChildren(...(shown ? [marks.element(shown.label), text] : []));
  for (const id of ['suggestion-accept', 'suggestion-reject']) byId(id).disabled = !shown;
  for (const id of ['suggestion-next', 'suggestion-previous']) byId(id).disabled = !open.length;
}

export function showProgress(overview, index) {
  const { videos } = overview;
  const done = videos.filter((video) => video.done).length;
  const sum = (name) => videos.reduce((total, video) => total + video[name], 0);
  byId('progress-bar').style.width = `${(100 * done) / videos.length}%`;
  const text = `${done} of ${videos.length} done, ${counted(sum('points'), 'point')}, ${spent(sum('spent_sec'))}`;
  byId('progress-text').textContent = text;
  byId('progress').setAttribute('aria-label', text);
  byId('video-name').textContent = videos[index].id;
  byId('video-place').textContent = `${index + 1} / ${videos.length}`;
  byId('previous').disabled = index === 0;
  byId('next').disabled = index === videos.length - 1;
  document.title = `${videos[index].id} – point labels`;
}

export function showVideos(overview, index, onClick) {
  const rows = overview.videos.map((video, place) => {
    const row = element('button', '', { className: place === index ? 'selected' : '' });
    const cells = [
      video.done ? '✓' : '',
      video.id,
      clock(video.duration_sec),
      counted(video.points, 'point'),
      video.spent_sec ? spent(video.spent_sec) : '',
    ];
    row.append(...cells.map((text) => element('span', text)));
    row.addEventListener('click', () => onClick(place));
    return row;
  });
  byId('video-list').replaceChildren(...rows);
}

export function showPlayer(player) {
  byId('play').textContent = player.playing ? 'Pause' : 'Play';
  byId('paused').hidden = player.playing;
  byId('paused').textContent = player.source.ready ? 'paused' : 'loading …';
  byId('speed').textContent = `${player.speed}×`;
  const fromServer = player.source === player.server;
  byId('source').textContent = fromServer ? 'frames decoded by the server' : '';
  byId('source-button').textContent = fromServer ? "Use the browser's player" : 'Let the server decode the frames';
}

// Show the time and the index of the frame on the screen. times: null if no frame is shown.
export function showFrame(times, frame) {
  byId('time').textContent = times ? `${clock(times.startSec[frame], 2)} / ${clock(times.durationSec, 2)}` : '';
  byId('frame-number').textContent = times ? `frame ${frame}` : '';
}

let flashTimer;
export function flash(text, color) {
  const box = byId('flash');
  Object.assign(box, { textContent: text, hidden: false });
  box.style.setProperty('--color', color);
  clearTimeout(flashTimer);
  flashTimer = setTimeout(() => Object.assign(box, { hidden: true }), 900);
}

export function message(text) {
  Object.assign(byId('message'), { textContent: text ?? '', hidden: !text });
}

// Open a dialog in which a class is found by a part of its name.
export function searchClass(marks, onChoice) {
  const [dialog, input, list] = [byId('search'), byId('search-text'), byId('search-found')];
  const choose = (name) => {
    dialog.close();
    onChoice(name);
  };
  const found = () => {
    const part = input.value.trim().toLowerCase();
    const place = (name) => nameOf(name).toLowerCase().indexOf(part);
    const names = marks.all.map(({ name }) => name).filter((name) => place(name) >= 0);
    return names.sort((one, other) => place(one) - place(other)); // names that begin with the text come first
  };
  const fill = () => {
    list.replaceChildren(
      ...found().map((name) => {
        const button = element('button', nameOf(name));
        button.prepend(marks.element(name));
        button.addEventListener('click', () => choose(name));
        return button;
      }),
    );
  };
  input.oninput = fill;
  input.onkeydown = (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    if (found().length) choose(found()[0]);
  };
  input.value = '';
  fill();
  dialog.showModal();
  input.focus();
}

function spent(seconds) {
  return seconds < 60 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

function element(name, text, properties = {}) {
  return Object.assign(document.createElement(name), { textContent: text, ...properties });
}
