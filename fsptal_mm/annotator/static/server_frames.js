// Source of frames for Player: the server decodes them, for codecs that the browser cannot play.

import { ask, pause, ServerError, videoPath } from './api.js';

const RETRY_MS = 1000; // after a request that failed, wait so long before the next one

export class ServerFrames {
  constructor(canvas, { onFrame, onState, onWait }) {
    Object.assign(this, { canvas, onFrame, onState, onWait });
    this.opened = null; // a new object per video: after an await, another object means that another video was opened
    this.ready = false; // whether a frame is on the canvas
    this.playing = false;
    this.speed = 1;
  }

  async load(video, times, frame) {
    this.stop();
    this.opened = {};
    this.video = video;
    this.times = times;
    this.frame = frame; // index of the frame on the canvas
    this.aim = frame; // the frame to fetch and show next; null if there is none
    await this.#fetchAim();
  }

  stop() {
    this.opened = null;
    this.ready = false;
    this.playing = false;
    this.canvas.getContext('2d').clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  get target() {
    return this.aim ?? this.frame;
  }

  setSpeed(speed) {
    this.speed = speed;
    this.#startClock(this.target);
  }

  play() {
    this.#startClock(this.target >= this.times.last ? 0 : this.target);
    this.playing = true;
    this.onState();
    this.#run(this.opened);
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.aim = null;
    this.onState();
  }

  show(frame) {
    this.#startClock(frame);
    this.aim = frame;
    if (!this.playing) this.#fetchAim();
  }

  // Start the clock of the video at a frame. While the video plays, this clock decides which frame is due.
  #startClock(frame) {
    if (!this.opened) return;
    this.clock = { nowMs: performance.now(), sec: this.times.startSec[frame] };
  }

  // Play: show the frame that is due, again and again. If fetching takes long, the frames in between are left out.
  async #run(opened) {
    const started = this.run = {};
    while (this.playing && opened === this.opened && started === this.run) {
      const { nowMs, sec } = this.clock;
      const due = this.times.at(sec + ((performance.now() - nowMs) / 1000) * this.speed);
      if (due === this.frame) await new Promise(requestAnimationFrame);
      else {
        this.aim = due;
        await this.#fetchAim();
      }
      if (due === this.times.last && this.frame === due) this.pause();
    }
  }

  // Fetch and show the frame `aim`. If `aim` changes meanwhile, the new frame is fetched next.
  async #fetchAim() {
    if (this.fetching) return this.fetching;
    this.fetching = this.#fetchAll().finally(() => {
      this.fetching = null;
    });
    return this.fetching;
  }

  async #fetchAll() {
    while (this.aim !== null && this.opened) {
      const [opened, frame] = [this.opened, this.aim];
      let image;
      try {
        const answer = await ask(`${videoPath(this.video)}/frames/${frame}`);
        image = await createImageBitmap(await answer.blob());
      } catch (error) {
        if (opened !== this.opened) continue;
        this.onWait(error.message);
        if (error instanceof ServerError && !error.isTemporary) {
          this.aim = null;
          return;
        }
        await pause(RETRY_MS);
        this.#startClock(this.target);
        continue;
      }
      if (opened !== this.opened) continue;
      this.onWait(null);
      this.#draw(image);
      this.frame = frame;
      this.ready = true;
      if (this.aim === frame) this.aim = null;
      this.onFrame(frame);
    }
  }

  #draw(image) {
    if (this.canvas.width !== image.width || this.canvas.height !== image.height) {
      Object.assign(this.canvas, { width: image.width, height: image.height });
    }
    this.canvas.getContext('2d').drawImage(image, 0, 0);
    image.close();
  }
}
