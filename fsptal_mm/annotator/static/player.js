// Player of a video, with two sources of frames: the browser's own player, or frames that the server decodes.

import { mediaUrl } from './api.js';
import { BrowserVideo } from './browser_video.js';
import { FrameTimes } from './frames.js';
import { ServerFrames } from './server_frames.js';

const SPEEDS = [0.25, 0.5, 1, 1.5, 2, 3, 4];

export class Player {
  constructor(video, canvas, { onFrame, onState, onWait }) {
    Object.assign(this, { video, canvas, onState });
    // Only the source in use reports its frames to onFrame.
    const shown = (source) => (frame) => source === this.source && onFrame(frame);
    this.browser = new BrowserVideo(video, {
      onFrame: (frame) => shown(this.browser)(frame),
      onState: () => onState(),
      onFailure: () => this.useServer(),
    });
    this.server = new ServerFrames(canvas, {
      onFrame: (frame) => shown(this.server)(frame),
      onState: () => onState(),
      onWait,
    });
    this.speed = 1;
    this.source = this.browser;
  }

  async load(id, startSec, durationSec, frame = 0) {
    this.stop();
    const loading = this.loading = {};
    this.id = id;
    this.times = new FrameTimes(startSec, durationSec);
    this.#use(this.browser);
    try {
      await this.browser.load(mediaUrl(id), this.times);
      if (frame) this.show(frame);
    } catch {
      if (loading === this.loading) await this.useServer(frame);
    }
    this.setSpeed(this.speed);
  }

  // Stop both sources. No video is shown until one is loaded.
  stop() {
    this.loading = null;
    this.browser.stop();
    this.server.stop();
    this.onState();
  }

  async useServer(frame = this.frame) {
    this.loading = null;
    this.browser.stop();
    this.#use(this.server);
    await this.server.load(this.id, this.times, frame);
    this.setSpeed(this.speed);
  }

  useBrowser() {
    return this.load(this.id, this.times.startSec, this.times.durationSec, this.frame);
  }

  useOther() {
    return this.source === this.server ? this.useBrowser() : this.useServer();
  }

  #use(source) {
    this.source = source;
    this.video.hidden = source !== this.browser;
    this.canvas.hidden = source !== this.server;
    this.onState();
  }

  // Index of the frame that is shown.
  get frame() {
    return this.source.frame ?? 0;
  }

  get playing() {
    return this.source.ready && this.source.playing;
  }

  play() {
    if (this.source.ready) this.source.play();
  }

  pause() {
    this.source.pause();
  }

  show(frame) {
    if (this.source.ready) this.source.show(this.times.clamp(frame));
  }

  step(frames) {
    this.pause();
    if (this.source.ready) this.show(this.source.target + frames);
  }

  jump(seconds) {
    if (!this.source.ready) return;
    const from = this.source.target;
    const to = this.times.at(this.times.startSec[from] + seconds);
    this.show(to === from ? from + Math.sign(seconds) : to); // a frame may be longer than the jump
  }

  faster(steps) {
    const place = SPEEDS.indexOf(this.speed) + steps;
    this.setSpeed(SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, place))]);
  }

  setSpeed(speed) {
    this.speed = speed;
    this.browser.setSpeed(speed);
    this.server.setSpeed(speed);
    this.onState();
  }
}
