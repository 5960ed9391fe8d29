// Working time of the annotator (the person). It counts while the page is visible and the video plays, and for IDLE_MS
// after each use of a key or the mouse.

const IDLE_MS = 30_000;
const REPORT_SEC = 10; // working time is reported to the server in parts of this length

export class Activity {
  constructor(isPlaying, onReport) {
    Object.assign(this, { isPlaying, onReport });
    this.lastMs = performance.now();
    this.seconds = 0;
    for (const name of ['keydown', 'pointerdown', 'pointermove', 'wheel']) {
      document.addEventListener(name, () => { this.lastMs = performance.now(); }, { passive: true });
    }
    setInterval(() => this.#tick(), 1000);
  }

  #tick() {
    if (document.hidden || !(this.isPlaying() || performance.now() - this.lastMs < IDLE_MS)) return;
    this.seconds += 1;
    if (this.seconds >= REPORT_SEC) this.report();
  }

  report() {
    if (this.seconds) this.onReport(this.seconds);
    this.seconds = 0;
  }
}
