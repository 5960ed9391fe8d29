// Source of frames: the browser's own player, for the codecs that it knows.

import { pause } from './api.js';

const CONFIRM_MS = 150; // time in which a browser reports the frame of a seek
const MOST_REPEATS = 2;
// A browser that shows no frame before it plays does not report the time of the first frame. After this time, it is
// taken for 0.
const FIRST_FRAME_MS = 3000;

async function noReport() {
  do await pause(FIRST_FRAME_MS);
  while (document.hidden); // a hidden page shows no frames, so that none is reported
  return 0;
}

export class BrowserVideo {
  constructor(element, { onFrame, onState, onFailure }) {
    Object.assign(this, { element, onFrame, onState, onFailure });
    this.ready = false;
    this.reportsFrames = 'requestVideoFrameCallback' in element; // whether the browser says which frame it shows
    for (const name of ['play', 'pause', 'ended']) element.addEventListener(name, () => this.ready && onState());
    element.addEventListener('pause', () => this.ready && this.#paused());
    element.addEventListener('seeked', () => this.ready && this.#seeked());
    element.addEventListener('error', () => this.ready && onFailure());
  }

  // Load a video into a stopped player. The promise resolves when the first frame is there, and rejects if the browser
  // cannot play the video.
  async load(url, times) {
    this.times = times;
    this.offsetSec = 0; // time of the first frame on the player's clock
    this.frame = 0; // index of the frame that is shown
    this.aim = null; // the frame that is being sought, until the browser reports that it is shown
    this.next = null; // the frame to seek after that
    this.seeking = false;
    this.repeats = 0; // how often the seek of `aim` was repeated
    const opened = this.opening = {}; // a new object per call: after an await, it shows whether a later call came
    const firstFrameSec = this.reportsFrames && this.#firstFrameSec(performance.now());
    this.element.src = url;
    await new Promise((resolve, reject) => {
      this.element.onerror = () => reject(new Error('cannot be played'));
      this.element.onloadeddata = resolve;
    });
    if (opened !== this.opening) throw new Error('another video was opened');
    // Sound without a picture: the browser knows one codec of the file and not the other.
    if (!this.element.videoWidth) throw new Error('no picture');
    if (this.reportsFrames) this.offsetSec = await Promise.race([firstFrameSec, noReport()]);
    if (opened !== this.opening) throw new Error('another video was opened');
    this.ready = true;
    this.#watch(opened);
    this.onFrame(0);
  }

  // Time of the first frame on the player's clock. The browser may still report a frame of the video before, which was
  // shown before this video was opened: such a report is ignored.
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

  // The frame from which a step starts: the one that is being sought, since it is not on the screen yet while a key is
  // held.
  get target() {
    return this.next ?? this.aim ?? this.frame;
  }

  // Seek a frame. Only one seek runs at a time, so that every frame is seen while a key is held. Of the frames that are
  // requested meanwhile, the latest is the next one.
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
    else if (!this.reportsFrames) this.#shown(this.element.currentTime);
    else setTimeout(() => this.#confirm(), CONFIRM_MS);
  }

  // A browser may not report a frame that appears while it reports the one before. So a seek whose frame was not
  // reported is repeated. After MOST_REPEATS the frame that was reported last counts, even if it is another one.
  #confirm() {
    if (this.seeking || this.aim === null || this.playing) return;
    this.repeats += 1;
    if (this.repeats <= MOST_REPEATS) this.#seek(this.aim);
    else this.aim = null;
  }

  // For the same reason, seek the frame at which the video was paused.
  #paused() {
    if (!this.reportsFrames || this.seeking || this.aim !== null) return;
    this.show(this.times.at(this.element.currentTime - this.offsetSec));
  }

  // Follow the frames that the player shows, until another video is opened.
  #watch(opened) {
    if (opened !== this.opening) return;
    if (this.reportsFrames) {
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

  // Take note of the frame that is shown, by its time on the player's clock. A seek is over when its frame is shown, or
  // when the video plays on.
  #shown(clockSec) {
    this.frame = this.times.at(clockSec - this.offsetSec);
    if (!this.seeking && (this.playing || this.frame === this.aim)) this.aim = null;
    this.onFrame(this.frame);
  }
}
