// Start times of all frames of a video, as its container states them.

// Containers round times, often to milliseconds. So a frame that starts at most this long after a time counts as shown
// at that time. The same number is _CLOCK_SEC in datasets/videos/reader.py.
const CLOCK_SEC = 1e-3;

export class FrameTimes {
  constructor(startSec, durationSec) {
    this.startSec = startSec;
    this.durationSec = durationSec;
  }

  get last() {
    return this.startSec.length - 1;
  }

  clamp(frame) {
    return Math.max(0, Math.min(this.last, frame));
  }

  // Index of the frame that is shown at a time, by binary search.
  at(timeSec) {
    let [low, high] = [0, this.startSec.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.startSec[middle] <= timeSec + CLOCK_SEC) low = middle + 1;
      else high = middle;
    }
    return this.clamp(low - 1);
  }

  // Time in the middle of a frame. A player that seeks this time shows the frame, even if it rounds times.
  middle(frame) {
    return (this.startSec[frame] + (this.startSec[frame + 1] ?? this.durationSec)) / 2;
  }
}
