/** How quick the page is: what tests and curious people read in `window.emgtwitchMeasured`. */

const KEPT = 600;

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? sorted[sorted.length >> 1] : NaN;
}

/** The newest numbers of a kind. */
class Newest {
  constructor() {
    this.values = [];
    this.next = 0;
  }

  add(value) {
    if (!Number.isFinite(value)) return;
    this.values[this.next] = value;
    this.next = (this.next + 1) % KEPT;
  }
}

export class Measured {
  constructor() {
    this.frames = new Newest(); // ms from one frame to the next
    this.draws = new Newest(); // ms that drawing takes
    this.latencies = new Newest(); // ms from a scan at the source to its drawing
    this.marks = new Newest(); // ms from a twitch's peak at the source to its first mark
    this.drawn = 0;
    this.last_ms = NaN;
  }

  /** A frame of the screen begins. */
  frame(now_ms) {
    this.frames.add(now_ms - this.last_ms);
    this.last_ms = now_ms;
  }

  get framesPerSecond() {
    return 1000 / median(this.frames.values);
  }

  get drawMs() {
    return median(this.draws.values);
  }

  get latencyMs() {
    return median(this.latencies.values);
  }

  get markMs() {
    return median(this.marks.values);
  }
}
