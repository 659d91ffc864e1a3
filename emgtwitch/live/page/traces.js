/** The traces, one lane for each channel, with a common scale, under what was found in them. */

import { decorate, drawAxis, drawNotes } from "./decoration.js";
import { extents } from "./scale.js";
import { Strip } from "./strip.js";
import { colours, hatching } from "./theme.js";
import { inOrder, volts } from "./words.js";

const GUTTER = 58; // CSS pixels, of names and scale to the left; more for long names
const MOST_GUTTER = 120;
const LINE = 1.2;
const AXIS = 20; // of the times below
const MARKS = 18; // of the marks at the top of each lane
const ROOM_FOR_ZERO = 50;
const LEAST_LANE = 68;
const LEAST_OF_TWO = 110;
const MOST_LANE = 190;

export class Traces {
  constructor(canvas, scale) {
    this.canvas = canvas;
    this.font = "";
    this.context = canvas.getContext("2d");
    this.scale = scale;
    this.strip = new Strip();
    this.span_s = 10;
    this.hello = null;
    this.edge_s = 0;
    this.stale = true; // the gutter and the strip have to be drawn anew
    new ResizeObserver(() => this.layOut()).observe(canvas.parentElement);
  }

  /** Show the channels of a recording. */
  begin(hello) {
    this.hello = hello;
    this.order = inOrder(hello.sides);
    this.layOut();
  }

  /** Fit lanes and colours to the window. */
  layOut() {
    if (!this.hello) return;
    const ratio = (this.ratio = window.devicePixelRatio || 1);
    const width = Math.max(2 * GUTTER, this.canvas.parentElement.clientWidth);
    const n = this.order.length;
    const room = window.innerHeight * 0.34;
    const least = n > 2 ? LEAST_LANE : LEAST_OF_TWO;
    const lane = Math.round(Math.min(MOST_LANE, Math.max(least, room / n)));
    const height = n * lane + AXIS;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.font = getComputedStyle(document.body).fontFamily;
    this.context.font = this.#nameFont();
    const names = this.hello.ch_names.map((name) => this.context.measureText(name).width / ratio);
    const gutter = Math.min(MOST_GUTTER, width / 4, Math.max(GUTTER, ...names.map((w) => w + 8)));
    this.x = Math.round(gutter * ratio);
    this.width = Math.max(1, this.canvas.width - this.x);
    this.bottom = Math.round(n * lane * ratio);
    const marks = Math.round(MARKS * ratio);
    this.lanes = this.order.map(({ side, channel }, k) => {
      const top = Math.round(k * lane * ratio) + marks;
      const end = Math.round((k + 1) * lane * ratio) - Math.round(3 * ratio);
      const name = this.hello.ch_names[channel];
      return { side, channel, name, top, height: end - top, middle: (top + end) / 2, marks };
    });
    this.strip.resize(this.width, this.bottom);
    this.recolour();
  }

  #nameFont() {
    return `600 ${12 * this.ratio}px ${this.font}`;
  }

  /** Take the colours of the style sheet anew. */
  recolour() {
    this.colours = colours();
    const { hatch } = this.colours;
    this.hatches = {
      "/": hatching(this.context, "/", hatch, this.ratio),
      x: hatching(this.context, "x", hatch, this.ratio),
    };
    this.redraw();
  }

  /** Draw all anew at the next frame. */
  redraw() {
    this.stale = true;
    this.strip.forget();
  }

  /** Scans in the picture, [from, to). */
  range(store) {
    const to = Math.ceil(this.edge_s * store.sfreq);
    return [Math.max(0, Math.floor(to - this.span_s * store.sfreq)), to];
  }

  /** Adapt the scale to what is seen and to the last twitches. */
  measure(store, events, now_ms) {
    const twitch_uv = events.largest(store.first / store.sfreq);
    if (this.scale.look(extents(store, ...this.range(store)), twitch_uv, now_ms)) this.redraw();
  }

  /** Draw the stretch that ends at `edge_s`; return false where nothing had to be drawn. */
  draw(edge_s, store, events) {
    const perColumn = (this.span_s * store.sfreq) / this.width;
    const right = Math.floor((edge_s * store.sfreq) / perColumn);
    const state = `${right} ${store.end} ${events.version}`;
    if (!this.stale && state === this.drawn) return false;
    this.drawn = state;
    this.edge_s = edge_s;
    this.perColumn = perColumn;
    this.left = right - this.width;
    const look = this.#look(perColumn);
    if (this.stale) this.#gutter(look);
    this.stale = false;
    const { context, x, width, canvas } = this;
    context.save();
    context.beginPath();
    context.rect(x, 0, width, canvas.height);
    context.clip();
    context.fillStyle = this.colours.panel;
    context.fillRect(x, 0, width, canvas.height);
    drawAxis(this, store);
    decorate(this, store, events);
    this.strip.show(context, x, this.left, right, store, look);
    drawNotes(this, store, events);
    context.restore();
    return true;
  }

  /** Place in the picture of a time of the stream, pixels. */
  at(time_s, sfreq) {
    return this.x + (time_s * sfreq) / this.perColumn - this.left;
  }

  #look(perColumn) {
    const lanes = this.lanes.map((lane) => ({
      ...lane,
      perUv: lane.height / 2 / this.scale.uv,
      level: this.scale.levels[lane.channel] ?? 0,
      colour: this.colours[lane.side ?? "none"],
    }));
    return {
      perColumn,
      lanes,
      lost: this.colours.hatch,
      cut: this.colours.ink,
      lineWidth: LINE * this.ratio,
    };
  }

  #gutter({ lanes }) {
    const { context, ratio, x } = this;
    context.clearRect(0, 0, x, this.canvas.height);
    context.textAlign = "right";
    context.textBaseline = "middle";
    const near = 6 * ratio;
    context.font = this.#nameFont();
    context.fillStyle = this.colours.ink;
    for (const { name, top, marks } of lanes) {
      context.fillText(name, x - near, top - marks / 2, x - near);
    }
    context.font = `${11 * ratio}px ${this.font}`;
    context.fillStyle = this.colours.soft;
    for (const { top, height, middle } of lanes) {
      context.fillText(`+${volts(this.scale.uv)}`, x - near, top + near);
      if (height > ROOM_FOR_ZERO * ratio) context.fillText("0", x - near, middle);
      context.fillText(`−${volts(this.scale.uv)}`, x - near, top + height - near);
    }
  }
}
