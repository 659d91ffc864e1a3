/** Twitches per minute over time. */

import { colours, sign } from "./theme.js";
import { EARLY_S, SIDE_WORDS, cut } from "./words.js";

const HEIGHT = 165;
const HEIGHT_OF_MANY = 300;
const RADIUS = 3.5;
const NAMES = 66; // CSS pixels to the right
const LINE = 13;
const MINUTE_S = 60;
const NOTE_LETTERS = 14;
const MOSTLY_VALID = 0.5; // share of a minute below which its rate is drawn hollow
const DASHES = { left: [], right: [6, 3], null: [2, 3] };

export class Rates {
  constructor(root) {
    this.root = root;
    this.plot = null;
    this.rates = null;
    new ResizeObserver(() => this.plot?.setSize(this.#size())).observe(root);
  }

  begin(hello) {
    this.hello = hello;
    this.rates = null;
    this.seen = "";
    this.marks = [];
    this.rebuild();
  }

  /** Make the plot anew, in the present colours. */
  rebuild() {
    if (!this.hello) return;
    this.plot?.destroy();
    const theme = (this.theme = colours());
    const axis = {
      stroke: theme.soft,
      font: `11px ${theme.font}`,
      labelFont: `11px ${theme.font}`,
      grid: { stroke: theme.faint, width: 1 },
      ticks: { stroke: theme.faint, width: 1, size: 4 },
    };
    this.plot = new uPlot(
      {
        ...this.#size(),
        padding: [10, NAMES, 0, 0],
        cursor: { show: false },
        legend: { show: false },
        scales: {
          x: { time: false, range: (_, low, high) => [Math.max(0, low - 0.5), Math.max(5, high + 1)] },
          y: { range: (_, low, high) => [0, Math.max(5, 1.15 * (high ?? 0))] },
        },
        axes: [
          { ...axis, label: "minutes since the start", labelSize: 18, size: 28, space: 60 },
          { ...axis, size: 36, space: 24 },
        ],
        series: [{}, ...this.hello.sides.map((side) => this.#series(side))],
        hooks: {
          drawAxes: [(plot) => this.#notes(plot)],
          draw: [(plot) => this.#points(plot)],
        },
      },
      this.#data(),
      this.root,
    );
    this.root.setAttribute("aria-label", "Twitches per minute, each minute since the start");
  }

  /** Show the newest bins. */
  show(rates) {
    const seen = JSON.stringify(rates);
    if (!this.plot || !rates || seen === this.seen) return;
    this.seen = seen;
    this.rates = rates;
    this.plot.setData(this.#data());
    const last = rates.minute_s.length - 1;
    if (last < 0) return;
    const words = this.hello.sides.map((side, c) => {
      const value = this.#shown(c)[last];
      return `${SIDE_WORDS[side]} ${this.hello.ch_names[c]} ${value ?? "unknown"}`;
    });
    this.root.setAttribute("aria-label", `Twitches per minute. Newest minute: ${words.join(", ")}`);
  }

  /** Show what people marked: [{at_s, text}]. */
  showMarks(marks) {
    this.marks = marks;
    this.plot?.redraw();
  }

  #size() {
    const height = this.hello.sides.length > 2 ? HEIGHT_OF_MANY : HEIGHT;
    return { width: this.root.clientWidth, height };
  }

  #series(side) {
    return { stroke: this.theme[side ?? "none"], width: 1.5, dash: DASHES[side], points: { show: false } };
  }

  #data() {
    const minutes = this.rates?.minute_s.map((start_s) => start_s / 60 + 0.5) ?? [];
    return [minutes, ...this.hello.sides.map((_, c) => this.#shown(c))];
  }

  /** Rates of a channel, null where too little was searched to tell. */
  #shown(channel) {
    if (!this.rates) return [];
    const { per_min, valid } = this.rates;
    return per_min.map((bin, k) => (valid[k][channel] * MINUTE_S < EARLY_S ? null : bin[channel]));
  }

  #points(plot) {
    const { ctx } = plot;
    const ratio = uPlot.pxRatio;
    ctx.save();
    ctx.lineWidth = 1.5 * ratio;
    ctx.setLineDash([]);
    this.hello.sides.forEach((side, c) => {
      ctx.strokeStyle = this.theme[side ?? "none"];
      plot.data[0].forEach((minute, k) => {
        const value = plot.data[c + 1][k];
        if (value === null || value === undefined) return;
        const path = new Path2D();
        sign(path, side, plot.valToPos(minute, "x", true), plot.valToPos(value, "y", true), RADIUS * ratio);
        const mostly = this.rates.valid[k][c] >= MOSTLY_VALID;
        ctx.fillStyle = mostly ? ctx.strokeStyle : this.theme.panel;
        ctx.fill(path);
        ctx.stroke(path);
      });
    });
    this.#names(plot, ratio);
    ctx.restore();
  }

  /** Draw what people marked; a text that has room stands beside its line. */
  #notes(plot) {
    const { ctx, bbox } = plot;
    const ratio = uPlot.pxRatio;
    ctx.save();
    ctx.font = `${11 * ratio}px ${this.theme.font}`;
    ctx.textAlign = "right";
    ctx.textBaseline = "top";
    ctx.lineWidth = ratio;
    ctx.setLineDash([4 * ratio, 3 * ratio]);
    ctx.strokeStyle = this.theme.hatch;
    ctx.fillStyle = this.theme.soft;
    let free = bbox.left; // to the right of all texts so far
    for (const { at_s, text } of this.marks) {
      const x = Math.round(plot.valToPos(at_s / MINUTE_S, "x", true));
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const words = cut(text, NOTE_LETTERS);
      if (x - ctx.measureText(words).width - 4 * ratio < free) continue;
      ctx.fillText(words, x - 4 * ratio, bbox.top);
      free = x;
    }
    ctx.restore();
  }

  /** Write each channel's name beside its newest value, none over another. */
  #names(plot, ratio) {
    const { ctx } = plot;
    const last = plot.data[0].length - 1;
    const labels = this.hello.ch_names
      .map((name, c) => ({ name, side: this.hello.sides[c], value: plot.data[c + 1][last] }))
      .filter(({ value }) => Number.isFinite(value))
      .map((label) => ({ ...label, y: plot.valToPos(label.value, "y", true) }))
      .sort((a, b) => a.y - b.y);
    const x = plot.valToPos(plot.data[0][last], "x", true) + 8 * ratio;
    ctx.font = `${11 * ratio}px ${this.theme.font}`;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    const lowest = plot.bbox.top + plot.bbox.height; // below are the numbers of the axis
    let least = -Infinity;
    labels.forEach(({ name, side, y }, k) => {
      const at = Math.max(Math.min(y, lowest - (labels.length - 1 - k) * LINE * ratio), least);
      least = at + LINE * ratio;
      ctx.fillStyle = this.theme.panel;
      const wide = Math.min(ctx.measureText(name).width, NAMES * ratio);
      ctx.fillRect(x, at - (LINE * ratio) / 2, wide, LINE * ratio);
      ctx.fillStyle = this.theme[side ?? "none"];
      ctx.fillText(name, x, at, NAMES * ratio);
    });
  }
}
