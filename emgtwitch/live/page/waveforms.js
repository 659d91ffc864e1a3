/** The last twitches of each channel over each other, the newest strongest. */

import { Filter } from "./filters.js";
import { colours } from "./theme.js";
import { inOrder, make } from "./words.js";

const HEIGHT = 150;
const MOST = 20;
const BEFORE_S = 0.02;
const AFTER_S = 0.03;
const SETTLING_S = 0.15; // before that, for the filters
const LEAST_UV = 20;
const STEPS_UV = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
const MOST_WAITING = 500;

export class Waveforms {
  constructor(root) {
    this.root = root;
    this.plots = [];
    this.theme = colours();
    new ResizeObserver(() => {
      for (const { plot, box } of this.plots) plot.setSize({ width: box.clientWidth, height: HEIGHT });
    }).observe(root);
  }

  begin(hello) {
    this.hello = hello;
    this.cuts = hello.ch_names.map(() => []);
    this.waiting = [];
    const reach = (seconds) => Math.round(seconds * hello.sfreq);
    [this.before, this.after, this.settling] = [BEFORE_S, AFTER_S, SETTLING_S].map(reach);
    this.rebuild();
  }

  /** Make the plots anew, in the present colours. */
  rebuild() {
    if (!this.hello) return;
    for (const { plot } of this.plots) plot.destroy();
    this.theme = colours();
    this.root.replaceChildren();
    this.most_uv = LEAST_UV;
    const boxes = inOrder(this.hello.sides).map(({ side, channel }) => {
      const figure = make("figure", side ?? "none");
      const box = make("div", "plot");
      box.setAttribute("role", "img");
      figure.append(make("figcaption", "", this.hello.ch_names[channel]), box);
      this.root.append(figure);
      return { side, channel, box };
    });
    this.plots = boxes.map(({ side, channel, box }) => {
      const plot = new uPlot(this.#options(side, box), this.#data([]), box);
      return { channel, box, plot };
    });
    this.changed = true;
  }

  /** Take in a decided twitch. */
  add(event) {
    this.waiting.push(event);
    if (this.waiting.length > MOST_WAITING) this.waiting.shift();
  }

  /** The filters changed. */
  refilter() {
    this.changed = true;
  }

  /** Cut out what has come, and draw what is new. */
  show(store) {
    this.waiting = this.waiting.filter((event) => {
      const middle = Math.round(event.peak_s * store.sfreq);
      if (middle + this.after >= store.end) return true;
      if (middle - this.before >= store.first) this.#cut(event.channel, middle, store);
      return false;
    });
    if (!this.changed) return;
    this.changed = false;
    const shown = this.cuts.map((cuts) => cuts.map((cut) => this.#filtered(cut, store)));
    this.most_uv = shown.flat(2).reduce((most, v) => Math.max(most, Math.abs(v ?? 0)), LEAST_UV);
    for (const { plot, channel, box } of this.plots) {
      plot.setData(this.#data(shown[channel]));
      const n = shown[channel].length;
      const words = n ? `the last ${n} over each other` : "no twitch yet";
      box.setAttribute("aria-label", `Twitches of ${this.hello.ch_names[channel]}: ${words}`);
    }
  }

  #cut(channel, middle, store) {
    const from = Math.max(store.first, middle - this.before - this.settling);
    const cut = [];
    for (let i = from; i <= middle + this.after; i++) cut.push(store.raw[channel][i % store.size]);
    this.cuts[channel].push(cut);
    if (this.cuts[channel].length > MOST) this.cuts[channel].shift();
    this.changed = true;
  }

  /** A cut as the eye wants it; without its settling, around 0. */
  #filtered(cut, store) {
    const filter = new Filter(store.settings, store.sfreq);
    const shown = cut.map((value) => filter.next(value)).slice(-(this.before + this.after + 1));
    const sorted = shown.filter((value) => value === value).sort((a, b) => a - b);
    const level = filter.keepsLevel ? sorted[sorted.length >> 1] : 0;
    return shown.map((value) => (value === value ? value - level : null));
  }

  #data(cuts) {
    const ms = [];
    for (let k = -this.before; k <= this.after; k++) ms.push((1000 * k) / this.hello.sfreq);
    const none = ms.map(() => null);
    const older = Array.from({ length: MOST - cuts.length }, () => none);
    return [ms, ...older, ...cuts];
  }

  /** Zero, and the largest round number to either side of it. */
  #splits() {
    const step = STEPS_UV.findLast((uv) => uv <= this.most_uv);
    return [-step, 0, step];
  }

  #options(side, box) {
    const { theme } = this;
    const axis = {
      stroke: theme.soft,
      font: `11px ${theme.font}`,
      grid: { stroke: theme.faint, width: 1 },
      ticks: { show: false },
    };
    const colour = theme[side ?? "none"];
    const series = Array.from({ length: MOST }, (_, k) => {
      const newest = k === MOST - 1;
      return {
        stroke: colour,
        alpha: newest ? 1 : 0.12 + (0.3 * k) / MOST,
        width: newest ? 2 : 1,
        points: { show: false },
      };
    });
    return {
      width: box.clientWidth,
      height: HEIGHT,
      cursor: { show: false },
      legend: { show: false },
      scales: {
        x: { time: false, range: [-1000 * BEFORE_S, 1000 * AFTER_S] },
        y: { range: () => [-1.08 * this.most_uv, 1.08 * this.most_uv] },
      },
      axes: [
        { ...axis, size: 22, space: 40, values: (_, splits) => splits.map((v) => `${v} ms`) },
        { ...axis, size: 44, splits: () => this.#splits() },
      ],
      series: [{}, ...series],
    };
  }
}
