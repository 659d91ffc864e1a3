/** The amplitude scale: the same for all channels, chosen by hand or by what is seen. */

export const STEPS_UV = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
const AUTO_STEPS = [1, 1.5, 2, 3, 5, 7, 10]; // finer than by hand: twitches fill the picture
const LEAST_AUTO_UV = 20; // noise need not fill the picture
const MOST_OF = 0.9; // of the samples lie within what counts as noise or activity,
const TIMES_MOST = 3; // which gets so much room; single disturbances are cut off
const ONE_SIDED = 0.8; // of a twitch's peak to peak, at most, lies to one side
const CALM_MS = 5000; // the scale shrinks only after what needed it has been gone for so long
const OFF_CENTRE = 0.2; // of the scale
const LOOKED_AT = 2000; // samples of a channel, which tell enough of its spread

/**
 * Level and spread of each channel over the scans [from, to), µV.
 *
 * The level is the median if the filters keep one, otherwise 0; within the spread around it lie
 * 90 % of the samples.
 */
export function extents(store, from, to) {
  const keepsLevel = store.filters[0].keepsLevel;
  const start = Math.max(from, store.first);
  const stop = Math.min(to, store.end);
  const step = Math.max(1, Math.floor((stop - start) / LOOKED_AT));
  return store.shown.map((samples) => {
    const some = [];
    for (let i = start; i < stop; i += step) {
      const value = samples[i % store.size];
      if (value === value) some.push(value);
    }
    if (!some.length) return { level: 0, spread: 0 };
    const level = keepsLevel ? Float32Array.from(some).sort()[some.length >> 1] : 0;
    const away = Float32Array.from(some, (value) => Math.abs(value - level)).sort();
    return { level, spread: away[Math.floor(MOST_OF * away.length)] };
  });
}

function stepFor(size_uv) {
  const size = Math.max(size_uv, LEAST_AUTO_UV);
  const power = 10 ** Math.floor(Math.log10(size));
  return AUTO_STEPS.map((k) => k * power).find((step) => step >= size);
}

export class Scale {
  constructor() {
    this.chosen_uv = null; // null: automatic
    this.uv = 50;
    this.levels = [];
    this.calmSince_ms = null;
  }

  /**
   * Look at what is seen; return whether the scale or a level changed.
   *
   * `twitch_uv` is the largest of the last twitches, peak to peak.
   */
  look(found, twitch_uv, now_ms) {
    const before = `${this.uv} ${this.levels}`;
    const activity = TIMES_MOST * Math.max(0, ...found.map(({ spread }) => spread));
    if (this.chosen_uv !== null) this.uv = this.chosen_uv;
    else this.#follow(stepFor(Math.max(activity, ONE_SIDED * twitch_uv)), now_ms);
    this.levels = found.map(({ level }, c) => {
      const present = this.levels[c] ?? level;
      return Math.abs(level - present) > OFF_CENTRE * this.uv ? level : present;
    });
    return `${this.uv} ${this.levels}` !== before;
  }

  #follow(step, now_ms) {
    if (step >= this.uv) {
      this.uv = step;
      this.calmSince_ms = null;
    } else if (this.calmSince_ms === null) {
      this.calmSince_ms = now_ms;
    } else if (now_ms - this.calmSince_ms > CALM_MS) {
      this.uv = step;
      this.calmSince_ms = null;
    }
  }
}
