// Source of frames for Player: the browser's video element, for codecs that the browser can play.

import { pause } from './api.js';

const CONFIRM_MS = 150; // after a seek, a browser normally reports the frame that it shows within this time
const MOST_REPEATS = 2; // a seek is repeated at most so often
// Some browsers show no frame before the video plays, and so do not report the time of the first frame. If there is no
// report within FIRST_FRAME_MS, the time of the first frame is taken to be 0.
const FIRST_FRAME_MS = 3000;
const LOAD_MS = 30000; // a browser that has no picture after this time is taken to be unable to play the video

// Wait for a time, again and again while the page is hidden: a hidden page may load no video, and shows no frames.
async function waited(ms) {
  do await pause(ms);
  while (document.hidden);
}

export class BrowserVideo {
  constructor(element, { onFrame, onState, onFailure }) {
    Object.assign(this, { element, onFrame, onState, onFailure });
    this.ready = false;
    this.reportsFrames = 'requestVideoFrameCallback' in element; // whether the browser reports which frame it shows
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
    this.aim = null; // the frame to which a seek goes on, until the browser reports that this frame is shown
    this.next = null; // the frame to seek after `aim`
    this.seeking = false;
    this.repeats = 0; // how often the seek of `aim` was repeated
    const opened = this.opening = {}; // if load is called again meanwhile, this.opening becomes another object
    const firstFrameSec = this.reportsFrames && this.#firstFrameSec(performance.now());
    this.element.src = url;
    await new Promise((resolve, reject) => {
      this.element.onerror = () => reject(new Error('cannot be played'));
      this.element.onloadeddata = resolve;
      waited(LOAD_MS).then(() => reject(new Error('does not load')));
    });
    if (opened !== this.opening) throw new Error('another video was opened');
    // Sound without a picture means that the browser cannot decode the pictures, only the sound.
    if (!this.element.videoWidth) throw new Error('no picture');
    if (this.reportsFrames) this.offsetSec = await Promise.race([firstFrameSec, waited(FIRST_FRAME_MS).then(() => 0)]);
    if (opened !== this.opening) throw new Error('another video was opened');
    this.ready = true;
    this.#watch(opened);
    this.onFrame(0);
  }

  // Time of the first frame on the player's clock. The browser may still report a frame of the previous video: a report
  // about a frame that was shown before this video was opened is ignored.
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

  // The frame from which a step starts. During a seek, it is the frame that was requested last, which is not on the
  // screen yet: so each repetition of a held key steps on.
  get target() {
    return this.next ?? this.aim ?? this.frame;
  }

  // Seek a frame. Only one seek runs at a time: if a seek were interrupted by the next one, the screen would stand
  // still while a key is held. Of the frames that are requested during a seek, only the latest one is sought
  // afterwards.
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
    if (this.element.seeking) return; // the event belongs to an earlier seek; another seek is running
    this.seeking = false;
    if (this.next !== null) this.#seek(this.next);
    else if (!this.reportsFrames) this.#shown(this.element.currentTime);
    else setTimeout(() => this.#confirm(), CONFIRM_MS);
  }

  // Make sure that the frame of a seek is shown. A browser may fail to report a frame that appears while it reports the
  // frame before. So if the sought frame was not reported, the seek is repeated. After MOST_REPEATS, the page goes on
  // with the frame that was reported last.
  #confirm() {
    if (this.seeking || this.aim === null || this.playing) return;
    this.repeats += 1;
    if (this.repeats <= MOST_REPEATS) this.#seek(this.aim);
    else this.aim = null;
  }

  // The report about the frame at which the video was paused may also be missing. So this frame is sought.
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

  // Note which frame is shown, by its time on the player's clock. A seek is finished when its frame is shown, or when
  // the video plays on.
  #shown(clockSec) {
    this.frame = this.times.at(clockSec - this.offsetSec);
    if (!this.seeking && (this.playing || this.frame === this.aim)) this.aim = null;
    this.onFrame(this.frame);
  }
}
