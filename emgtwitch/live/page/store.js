/** The newest scans, in rings of fixed size: as they came, and as the eye wants them. */

import { Filter } from "./filters.js";

const KEPT_S = 120;
const MOST_BYTES = 64e6;
const MOST_ARRIVALS = 4096;
const MOST_SKIPPED = 100;

/** Base64 of little-endian float32 as numbers. */
export function decoded(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Float32Array(bytes.buffer);
}

export class Store {
  constructor(hello, settings) {
    this.sfreq = hello.sfreq;
    this.n = hello.ch_names.length;
    const most = Math.floor(MOST_BYTES / (8 * this.n));
    this.size = Math.max(1, Math.min(Math.ceil(KEPT_S * hello.sfreq), most));
    this.raw = hello.ch_names.map(() => new Float32Array(this.size).fill(NaN));
    this.shown = hello.ch_names.map(() => new Float32Array(this.size).fill(NaN));
    /** Index of the oldest kept scan, and of the first that has not come. */
    this.first = this.end = 0;
    /** Ranges of scans [from, to) that this viewer was not sent, although they are not lost. */
    this.skipped = [];
    this.arrivals = []; // [end, came_ms] of the newest messages
    this.filterBy(settings);
  }

  /** Put other filters between the scans and the eye. */
  filterBy(settings) {
    this.settings = settings;
    this.filters = this.raw.map(() => new Filter(settings, this.sfreq));
    for (let i = this.first; i < this.end; i++) this.#filter(i % this.size);
  }

  /** Take in a message of scans. */
  add(message) {
    const values = decoded(message.uv);
    if (this.end === 0) this.first = this.end = message.first;
    if (message.first > this.end) this.#skip(message.first);
    for (let k = Math.max(0, this.end - message.first); k < message.n; k++) {
      this.#put((c) => values[c * message.n + k]);
    }
    this.arrivals.push([this.end, message.came_ms]);
    if (this.arrivals.length > MOST_ARRIVALS) this.arrivals.splice(0, MOST_ARRIVALS / 2);
  }

  /** When a scan came, ms since 1970; NaN if that is forgotten. */
  cameMs(scan) {
    const { arrivals } = this;
    if (!arrivals.length || scan >= this.end) return NaN;
    let k = arrivals.length - 1;
    while (k > 0 && arrivals[k - 1][0] > scan) k--;
    const since_ms = ((arrivals[k][0] - 1 - scan) * 1000) / this.sfreq;
    return k > 0 ? arrivals[k][1] - since_ms : NaN;
  }

  #skip(first) {
    this.skipped.push([this.end, first]);
    if (this.skipped.length > MOST_SKIPPED) this.skipped.shift();
    this.end = Math.max(this.end, first - this.size);
    while (this.end < first) this.#put(() => NaN);
  }

  #put(value) {
    const at = this.end % this.size;
    for (let c = 0; c < this.n; c++) this.raw[c][at] = value(c);
    this.#filter(at);
    this.end += 1;
    this.first = Math.max(this.first, this.end - this.size);
  }

  #filter(at) {
    for (let c = 0; c < this.n; c++) this.shown[c][at] = this.filters[c].next(this.raw[c][at]);
  }
}
