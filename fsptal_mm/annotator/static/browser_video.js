// Frames from the browser's own player, for the codecs that it knows.

import { pause } from './api.js';

const CONFIRM_MS = 150;
const MOST_REPEATS = 2;
const FIRST_FRAME_MS = 3000; // a browser that shows no frame before it plays does not report its time either

async function untold() {
  do await pause(FIRST_FRAME_MS);
  while (document.hidden); // frames are shown when the page is
  return 0;
}

export class BrowserVideo {
  constructor(element, { onFrame, onState, onFailure }) {
    Object.assign(this, { element, onFrame, onState, onFailure });
    this.ready = false;
    this.tells = 'requestVideoFrameCallback' in element;
    for (const name of ['play', 'pause', 'ended']) element.addEventListener(name, () => this.ready && onState());
    element.addEventListener('pause', () => this.ready && this.#paused());
    element.addEventListener('seeked', () => this.ready && this.#seeked());
    element.addEventListener('error', () => this.ready && onFailure());
  }

  // Load a video into a stopped player. Resolves when the first frame is there, rejects if the browser cannot play it.
  async load(url, times) {
    this.times = times;
    this.offsetSec = 0; // time of the first frame on the player's clock
    this.frame = 0;
    this.aim = null; // the frame that is being sought, until the browser reports that it is shown
    this.next = null; // the frame to seek to after that
    this.seeking = false;
    this.repeats = 0;
    const opened = this.opening = {};
    const told = this.tells && this.#firstFrameSec(performance.now());
    this.element.src = url;
    await new Promise((resolve, reject) => {
      this.element.onerror = () => reject(new Error('cannot be played'));
      this.element.onloadeddata = resolve;
    });
    if (opened !== this.opening) throw new Error('another video was opened');
    // Sound without a picture: the browser knows one codec of the file and not the other.
    if (!this.element.videoWidth) throw new Error('no picture');
    if (this.tells) this.offsetSec = await Promise.race([told, untold()]);
    if (opened !== this.opening) throw new Error('another video was opened');
    this.ready = true;
    this.#watch(opened);
    this.onFrame(0);
  }

  // The browser may still report a frame of the video before: one that was shown before this one was opened.
  #firstFrameSec(openedMs) {
    return new Promise((resolve) => {
      const ask = () =>
        this.element.requestVideoFrameCallback((now, frame) =>
          frame.presentationTime < openedMs ? ask() : resolve(frame.mediaTime),
        );
      ask();
    });
  }

  stop() {
    this.ready = false;
    this.opening = null;
    this.element.onerror = this.element.onloadeddata = null;
    this.element.pause();
    this.element.removeAttribute('src');
    this.element.load();
  }

  get playing() {
    return !this.element.paused && !this.element.ended;
  }

  play() {
    this.aim = this.next = null;
    if (this.element.ended || this.frame === this.times.last) this.element.currentTime = this.offsetSec;
    this.element.play().catch(() => this.onState());
  }

  pause() {
    this.element.pause();
  }

  setSpeed(speed) {
    this.element.playbackRate = this.element.defaultPlaybackRate = speed;
  }

  // Steps start from the frame that is being sought. While a key is held, it is not on the screen yet.
  get target() {
    return this.next ?? this.aim ?? this.frame;
  }

  // One seek at a time, so that every frame is seen while a key is held. The latest request is the next seek.
  show(frame) {
    this.repeats = 0;
    if (this.seeking) this.next = frame;
    else this.#seek(frame);
  }

  #seek(frame) {
    this.seeking = true;
    this.aim = frame;
    this.next = null;
    this.element.currentTime = this.offsetSec + this.times.middle(frame);
  }

  #seeked() {
    if (this.element.seeking) return; // a late report: another seek is running
    this.seeking = false;
    if (this.next !== null) this.#seek(this.next);
    else if (!this.tells) this.#shown(this.element.currentTime);
    else setTimeout(() => this.#confirm(), CONFIRM_MS);
  }

  // A browser may not report a frame that appears while it reports the one before: ask again. The second answer counts,
  // even if it is another frame.
  #confirm() {
    if (this.seeking || this.aim === null || this.playing) return;
    this.repeats += 1;
    if (this.repeats <= MOST_REPEATS) this.#seek(this.aim);
    else this.aim = null;
  }

  // For the same reason, seek the frame at which the video stopped.
  #paused() {
    if (!this.tells || this.seeking || this.aim !== null) return;
    this.show(this.times.at(this.element.currentTime - this.offsetSec));
  }

  #watch(opened) {
    if (opened !== this.opening) return;
    if (this.tells) {
      this.element.requestVideoFrameCallback((now, frame) => {
        if (opened === this.opening) this.#shown(frame.mediaTime);
        this.#watch(opened);
      });
    } else {
      requestAnimationFrame(() => {
        if (opened === this.opening && this.playing) this.#shown(this.element.currentTime);
        this.#watch(opened);
      });
    }
  }

  #shown(clockSec) {
    this.frame = this.times.at(clockSec - this.offsetSec);
    if (!this.seeking && (this.playing || this.frame === this.aim)) this.aim = null;
    this.onFrame(this.frame);
  }
}
