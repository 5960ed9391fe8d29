// Main module of the page: it shows a video of the project, and runs the commands of keys and buttons.

import { Activity } from './activity.js';
import { askJson, EditQueue, pause, videoPath } from './api.js';
import { commandsOf } from './commands.js';
import { Keyboard } from './keyboard.js';
import { clock, counted, Marks, nameOf } from './marks.js';
import * as panels from './panels.js';
import { Player } from './player.js';
import { firstDifference, withEdits } from './points.js';
import { Suggestions } from './suggestions.js';
import { Timeline } from './timeline.js';

const { byId } = panels;
const DETAIL_SEC = 10; // the second timeline shows so many seconds around the frame that is shown
const RETRY_MS = 1000; // after a request that failed, the page waits so long before it asks again

class Page {
  constructor(overview) {
    this.overview = overview;
    this.edits = 0; // counts the saved edits of the open video
    this.marks = new Marks(overview.classes);
    this.player = new Player(byId('video'), byId('canvas'), {
      onFrame: (frame) => this.showFrame(frame),
      onState: () => this.player && panels.showPlayer(this.player),
      onWait: panels.message,
    });
    const seek = {
      onSeek: (sec) => this.player.show(this.player.times.at(sec)),
      onSelect: (id) => this.select(id),
      onMove: (id, sec) => this.edit({ action: 'change', point_id: id, time_sec: sec }),
    };
    this.timelines = [new Timeline(byId('overview'), null, seek), new Timeline(byId('detail'), DETAIL_SEC, seek)];
    this.queue = new EditQueue(overview.project, {
      onStatus: panels.showSaved,
      onSaved: (video, state, action) => this.saved(video, state, action),
      onRefused: (video, why) => this.refused(video, why),
    });
    this.activity = new Activity(
      () => this.player.playing,
      (seconds) => this.queue.push(this.video, { action: 'spent', seconds }),
    );
    byId('suggestions').hidden = !overview.has_suggestions;
    byId('annotator').textContent = overview.annotator ?? '';
    panels.showClasses(this.marks, (name) => this.label(name));
    this.listen();
  }

  get video() {
    return this.overview.videos[this.index].id;
  }

  async open(index, playing = false) {
    this.activity.report();
    this.player.stop(); // so that frames of the old video are never seen under the name of the new one
    const opening = this.opening = {}; // if open is called again meanwhile, this.opening becomes another object
    this.index = index;
    this.state = null;
    this.suggestions = null;
    this.selected = null;
    panels.showProgress(this.overview, index);
    for (const timeline of this.timelines) timeline.setVideo(null);
    panels.showFrame(null);
    this.draw();
    let state;
    while (!state) {
      const edits = this.edits;
      try {
        state = await askJson(videoPath(this.video));
        if (edits !== this.edits) state = null; // edits were saved meanwhile, and the answer may lack them: ask again
      } catch (error) {
        if (opening !== this.opening) return;
        panels.message(error.message);
        if (!error.isTemporary) return;
        await pause(RETRY_MS);
      }
      if (opening !== this.opening) return;
    }
    panels.message(null);
    this.state = state;
    const loaded = this.player.load(this.video, state.start_sec, state.duration_sec);
    this.suggestions = new Suggestions(state.suggestions, this.player.times);
    for (const timeline of this.timelines) timeline.setVideo(this.player.times);
    this.draw();
    this.showFrame(0);
    await loaded;
    if (opening === this.opening && playing) this.player.play();
  }

  // Points as the page shows them: the saved points, changed by the edits that are on their way to the server.
  get points() {
    return this.state ? withEdits(this.state.points, this.queue.of(this.video), this.player.times) : [];
  }

  draw() {
    const { points } = this;
    if (!points.some(({ id }) => id === this.selected)) this.selected = null;
    const open = this.suggestions?.open(points) ?? [];
    for (const timeline of this.timelines) {
      timeline.setSuggestions(open, this.suggestions?.current);
      timeline.setPoints(points, this.selected, this.marks);
    }
    panels.showSuggestion(open, this.suggestions?.current, this.marks);
    panels.showPoints(points, this.selected, this.marks, (id) => this.select(id));
    panels.showCounts(points);
    byId('undo').disabled = !this.state?.can_undo;
    byId('redo').disabled = !this.state?.can_redo;
    byId('done').checked = this.isDone(this.overview.videos[this.index]);
  }

  showFrame(frame) {
    if (!this.state) return;
    for (const timeline of this.timelines) timeline.setFrame(frame);
    panels.showFrame(this.player.times, frame);
  }

  edit(edit) {
    if (this.state) this.queue.push(this.video, edit);
    this.draw();
  }

  // Whether a video is marked as done; edits that are on their way to the server count as if they were saved.
  isDone(video) {
    return this.queue.of(video.id).findLast(({ action }) => action === 'done')?.done ?? video.done;
  }

  // Take over the state of a video that the server sent. If it was sent after an edit, `action` is that of the edit.
  saved(video, state, action) {
    if (video === this.video) this.edits += 1;
    const done = { undo: 'undone', redo: 'redone' }[action];
    if (done && video === this.video && this.state) {
      const point = firstDifference(this.state.points, state.points);
      panels.flash(point ? `${done}: ${nameOf(point.label)} at ${clock(point.time_sec, 1)}` : `nothing to ${action}`, '#ffffff');
    }
    Object.assign(this.overview.videos.find(({ id }) => id === video), state.summary);
    if (video === this.video && this.state) {
      Object.assign(this.state, state);
      this.draw();
    }
    panels.showProgress(this.overview, this.index);
  }

  // Show why the server refused an edit, and ask for the state of the video, in which this edit was not made.
  async refused(video, why) {
    panels.flash(why, '#ffffff');
    const state = await askJson(videoPath(video)).catch(() => null);
    if (state) this.saved(video, state);
  }

  // Run the command of a class key: set a point at the frame that is shown or, if a point is selected there, change its
  // class. While a seek goes on, nothing is done: the frame on the screen is not the one that the user asked for.
  label(name) {
    if (!this.state || !this.player.source.ready) return;
    const { frame, times } = this.player;
    if (!this.player.playing && this.player.source.target !== frame) {
      panels.flash('this frame is still loading: press again when it is shown', '#ffffff');
      return;
    }
    const { points } = this;
    const selected = points.find(({ id }) => id === this.selected);
    if (points.some((point) => point.frame === frame && point.label === name)) {
      panels.flash(`${nameOf(name)} is at this frame already`, '#ffffff');
    } else if (selected?.frame === frame && !this.player.playing) {
      this.edit({ action: 'change', point_id: selected.id, label: name });
      panels.flash(`now ${nameOf(name)}`, this.marks.of(name).color);
    } else {
      this.selected = null;
      this.edit({ action: 'add', time_sec: times.startSec[frame], label: name });
      panels.flash(nameOf(name), this.marks.of(name).color);
    }
  }

  // Show the next suggestion (direction 1), or the previous one (-1).
  suggest(direction) {
    if (!this.state) return;
    const suggestion = this.suggestions.step(direction, this.points);
    this.selected = null;
    if (suggestion) {
      this.player.pause();
      this.player.show(suggestion.frame);
    } else panels.flash('no suggestion is left in this video', '#ffffff');
    this.draw();
  }

  // Accept or reject the current suggestion. If its frame is not on the screen, the first press only shows the frame,
  // and the next press counts: so nobody answers a suggestion without seeing it.
  answer(accepted) {
    if (!this.state) return;
    const suggestion = this.suggestions.open(this.points).find((one) => one === this.suggestions.current);
    if (!suggestion) {
      this.suggest(1);
    } else if (!this.player.source.ready || this.player.playing || this.player.frame !== suggestion.frame) {
      this.player.pause();
      this.player.show(suggestion.frame);
    } else {
      this.selected = null; // otherwise label() would change the class of a point that is selected at this frame
      this.label(accepted ? suggestion.label : null);
      this.suggest(1);
    }
  }

  search() {
    this.player.pause();
    panels.searchClass(this.marks, (name) => this.label(name));
  }

  select(id) {
    const point = this.points.find((one) => one.id === id);
    if (!point) return;
    this.player.pause();
    this.selected = id;
    this.player.show(point.frame);
    this.draw();
  }

  unselect() {
    this.selected = null;
    this.draw();
  }

  // Select the next point (direction 1) or the previous one (-1): from the selected point, or from this frame if no
  // point is selected. So several points at one frame are selected one after the other.
  selectNext(direction) {
    const { points } = this;
    const place = points.findIndex(({ id }) => id === this.selected);
    if (place >= 0) this.select(points[place + direction]?.id);
    else if (direction > 0) this.select(points.find(({ frame }) => frame >= this.player.frame)?.id);
    else this.select(points.findLast(({ frame }) => frame <= this.player.frame)?.id);
  }

  move(point, frame) {
    if (!point || frame === point.frame) return;
    this.player.pause();
    this.player.show(frame);
    this.edit({ action: 'change', point_id: point.id, time_sec: this.player.times.startSec[frame] });
  }

  moveBy(frames) {
    const point = this.points.find(({ id }) => id === this.selected);
    if (point) this.move(point, this.player.times.clamp(point.frame + frames));
  }

  moveHere() {
    this.move(this.points.find(({ id }) => id === this.selected), this.player.frame);
  }

  delete() {
    const point = this.points.find(({ id }) => id === this.selected);
    if (!point) return;
    this.edit({ action: 'delete', point_id: point.id });
    panels.flash(`deleted: ${nameOf(point.label)}`, '#ffffff');
  }

  setDone(done) {
    this.edit({ action: 'done', done });
  }

  toggleDone() {
    this.setDone(!byId('done').checked);
  }

  go(step, playing) {
    const index = this.index + step;
    if (index >= 0 && index < this.overview.videos.length) this.open(index, playing);
    else panels.flash(step > 0 ? 'this is the last video' : 'this is the first video', '#ffffff');
  }

  // Mark the video as done, and play the next one.
  finish() {
    if (!this.state) return;
    const empty = !this.points.length;
    const { video } = this;
    this.setDone(true);
    if (this.overview.videos.every((video) => this.isDone(video))) {
      panels.flash('all videos are done: the button Export writes the labels', '#ffffff');
    } else {
      this.go(1, true);
      if (empty) panels.flash(`${video} is done, without a point`, '#ffffff');
    }
  }

  togglePlay() {
    if (this.player.playing) this.player.pause();
    else {
      this.unselect();
      this.player.play();
    }
  }

  help() {
    openDialog('help');
  }

  async export(unfinished) {
    const result = byId('export-result');
    result.textContent = 'writing …';
    try {
      const told = await askJson('/api/export', { project: this.overview.project, unfinished });
      const background = told.background_points;
      result.textContent = [
        `In ${told.folder}: ${counted(told.points, 'point')} of ${counted(told.videos, 'video')}.`,
        background ? `${counted(background, 'background point')} in annotations.json only: LACP's format has none.` : '',
        told.left_out ? `Left out: ${counted(told.left_out, 'video')} with points, not done.` : '',
        told.unreachable
          ? `Left out: ${counted(told.unreachable, 'video')} with points; annotate.py was started without them, or cannot read them.`
          : '',
        told.kept ? `The class list ${told.kept} was not overwritten.` : '',
      ].join(' ');
    } catch (error) {
      result.textContent = `Nothing was written: ${error.message}`;
    }
  }

  listen() {
    const keyboard = new Keyboard(commandsOf(this), (key) => {
      const entry = this.marks.withKey(key);
      if (entry) this.label(entry.name);
    });
    keyboard.fillHelp(byId('help-keys'), [
      { shown: '1–9 a–z', text: 'set a point of this class at this frame; if a point is selected there, change its class' },
      { shown: '0', text: 'set a background point: no action happens at this frame' },
    ]);
    const clicks = {
      play: () => this.togglePlay(),
      undo: () => this.edit({ action: 'undo' }),
      redo: () => this.edit({ action: 'redo' }),
      previous: () => this.go(-1),
      next: () => this.go(1),
      'help-button': () => this.help(),
      'export-button': () => openDialog('export'),
      'export-done': () => this.export(false),
      'export-all': () => this.export(true),
      'source-button': () => this.state && this.player.useOther(),
      'videos-button': () => this.listVideos(),
      stage: () => this.togglePlay(),
      'suggestion-next': () => this.suggest(1),
      'suggestion-previous': () => this.suggest(-1),
      'suggestion-accept': () => this.answer(true),
      'suggestion-reject': () => this.answer(false),
    };
    for (const [id, run] of Object.entries(clicks)) byId(id).addEventListener('click', run);
    byId('done').addEventListener('change', (event) => this.setDone(event.target.checked));
    // After a click, the button loses the focus: keys are commands of the page, and a focused button would take some.
    document.addEventListener('click', () => !document.querySelector('dialog[open]') && document.activeElement.blur());
    window.addEventListener('beforeunload', (event) => this.queue.unsaved && event.preventDefault());
  }

  listVideos() {
    panels.showVideos(this.overview, this.index, (index) => {
      byId('videos').close();
      this.open(index);
    });
    openDialog('videos');
  }
}

// When a dialog closes, the focus returns to the element that had it before. No element gets it here, since a button
// would take the next key.
function openDialog(id) {
  document.activeElement.blur();
  byId(id).showModal();
}

async function start() {
  let overview;
  while (!overview) {
    try {
      overview = await askJson('/api/project');
    } catch (error) {
      const locked = 'Open the address that the program printed: it contains the token of this page.';
      panels.message(error.status === 401 ? locked : error.message);
      await pause(RETRY_MS);
    }
  }
  panels.message(null);
  const page = new Page(overview);
  const first = overview.videos.findIndex((video) => !video.done);
  await page.open(Math.max(first, 0));
}

start();
