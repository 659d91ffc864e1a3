/** Where "now" is in the stream, for the screen's clock: even, although messages come unevenly. */

const REMEMBERED_MS = 2000;
const FASTEST_CORRECTION = 0.05; // of the speed: nobody sees it
const JUMP_S = 0.5; // further off than this is a new position, not an uneven clock
const AHEAD_S = 0.2; // the drawing waits here for scans that are late

export class Clock {
  constructor(rate = 1) {
    this.rate = rate;
    this.heard = []; // [when, by how much the stream's time exceeds the screen's]
    this.offset_s = NaN;
    this.newest_s = NaN;
    this.drawn_ms = NaN;
  }

  /** Scans up to a time of the stream came. */
  hear(newest_s, now_ms) {
    this.newest_s = newest_s;
    this.heard.push([now_ms, newest_s - (this.rate * now_ms) / 1000]);
    while (now_ms - this.heard[0][0] > REMEMBERED_MS) this.heard.shift();
  }

  /** The stream runs at another speed from now on; 0 if it stands still. */
  setRate(rate, now_ms) {
    if (rate === this.rate) return;
    this.offset_s += ((this.rate - rate) * now_ms) / 1000;
    this.rate = rate;
    this.heard = [];
  }

  /** Seconds of the stream at which the drawing ends to the right. */
  edge(now_ms) {
    // What came soonest tells where the stream is; all else came late.
    const target = this.heard.reduce((most, [, offset]) => Math.max(most, offset), -Infinity);
    if (Number.isFinite(target)) {
      const off = target - this.offset_s;
      const speed = Math.max(1, this.rate);
      const step_s = ((now_ms - this.drawn_ms) / 1000) * FASTEST_CORRECTION * speed;
      if (!(Math.abs(off) < JUMP_S * speed)) this.offset_s = target;
      else this.offset_s += Math.min(step_s, Math.max(-step_s, off));
    }
    this.drawn_ms = now_ms;
    const edge_s = this.offset_s + (this.rate * now_ms) / 1000;
    return Math.min(edge_s, this.newest_s + AHEAD_S * Math.max(1, this.rate));
  }
}
