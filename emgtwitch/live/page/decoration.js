/** What lies over and under the traces: times, stretches that were left out, and marks. */

import { intervalWords } from "./events.js";
import { sign } from "./theme.js";
import { clock, cut, few, volts } from "./words.js";

const RADIUS = 5; // CSS pixels, of a twitch
const REJECTED_RADIUS = 3;
const NEAR = 14; // CSS pixels: so near to a mark, the pointer means it
const TICKS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10];
const LEAST_TICK = 90; // CSS pixels
const NOTE_LINE = 15; // CSS pixels; texts of marks that follow each other are on different lines
const NOTE_LINES = 3;
const NOTE_LETTERS = 40;

/** Draw the lines and the times of the axis, and the middle of each lane. */
export function drawAxis(view, store) {
  const { context, ratio, x, width, bottom } = view;
  const perSecond = store.sfreq / view.perColumn;
  const step_s = TICKS_S.find((step) => step * perSecond >= LEAST_TICK * ratio) ?? 10;
  const digits = step_s < 1 ? 1 : 0;
  context.font = `${11 * ratio}px ${view.font}`;
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  const first = Math.floor((view.left * view.perColumn) / store.sfreq / step_s);
  const last = first + Math.ceil(width / perSecond / step_s) + 1;
  for (let k = Math.max(0, first); k <= last; k++) {
    const at = Math.round(view.at(k * step_s, store.sfreq));
    context.fillStyle = view.colours.faint;
    context.fillRect(at, 0, ratio, bottom);
    context.fillStyle = view.colours.soft;
    const words = clock(k * step_s, digits);
    const half = context.measureText(words).width / 2;
    if (at - half > x && at + half < x + width) context.fillText(words, at, bottom + 14 * ratio);
  }
  context.fillStyle = view.colours.faint;
  for (const lane of view.lanes) context.fillRect(x, Math.round(lane.middle), width, ratio);
  context.fillStyle = view.colours.line;
  for (const lane of view.lanes.slice(1)) context.fillRect(x, lane.top - lane.marks, width, ratio);
}

/** Draw what was found. */
export function decorate(view, store, events) {
  const from_s = (view.left * view.perColumn) / store.sfreq;
  const to_s = ((view.left + view.width) * view.perColumn) / store.sfreq;
  const laneOf = new Map(view.lanes.map((lane) => [lane.channel, lane]));
  const marks = [];
  for (const event of events.between(from_s - 1, to_s + 1)) {
    const lane = laneOf.get(event.channel);
    if (event.kind === "interval") shade(view, store, lane, event);
    else if (event.kind !== "covered") marks.push([event, lane]);
  }
  for (const [from, to] of store.skipped) {
    const told = { onset_s: from / store.sfreq, duration_s: (to - from) / store.sfreq };
    for (const lane of view.lanes) shade(view, store, lane, told, "not sent to this window");
  }
  for (const [event, lane] of marks) mark(view, store, lane, event);
}

/** Draw what people marked, over the traces: a line, and the text to its left. */
export function drawNotes(view, store, events) {
  const { context, ratio, x, width, bottom } = view;
  context.font = `${11 * ratio}px ${view.font}`;
  context.textAlign = "right";
  context.textBaseline = "middle";
  const line = NOTE_LINE * ratio;
  events.marks.forEach(({ at_s, text }, k) => {
    const at = Math.round(view.at(at_s, store.sfreq));
    const words = cut(text, NOTE_LETTERS);
    const wide = context.measureText(words).width + 8 * ratio;
    if (at < x || at - wide > x + width) return;
    context.strokeStyle = context.fillStyle = view.colours.ink;
    context.lineWidth = ratio;
    context.setLineDash([4 * ratio, 3 * ratio]);
    context.beginPath();
    context.moveTo(at + ratio / 2, 0);
    context.lineTo(at + ratio / 2, bottom);
    context.stroke();
    context.setLineDash([]);
    const y = bottom - (1 + (k % NOTE_LINES)) * line;
    context.fillStyle = view.colours.panel;
    context.fillRect(at - wide, y - line / 2, wide, line);
    context.fillStyle = view.colours.ink;
    context.fillText(words, at - 4 * ratio, y);
  });
}

function shade(view, store, lane, event, words = intervalWords(event)) {
  const { context, ratio } = view;
  const onset = Math.round(view.at(event.onset_s, store.sfreq));
  const start = Math.max(view.x, onset);
  const stop = Math.round(view.at(event.onset_s + event.duration_s, store.sfreq));
  const hatched = { gap: "/", saturation: "x" }[event.trial_type];
  context.fillStyle = hatched ? view.hatches[hatched] : view.colours.shade;
  context.translate(onset, 0); // the hatching moves with the stretch
  context.fillRect(start - onset, lane.top - lane.marks, stop - start, lane.marks + lane.height);
  context.translate(-onset, 0);
  context.font = `${11 * ratio}px ${view.font}`;
  if (stop - start < context.measureText(words).width + 8 * ratio) return;
  context.textAlign = "left";
  context.textBaseline = "bottom";
  context.fillStyle = view.colours.soft;
  context.fillText(words, start + 4 * ratio, lane.top + lane.height - 2 * ratio);
}

function mark(view, store, lane, event) {
  const { context, ratio } = view;
  const x = view.at(event.peak_s, store.sfreq);
  const y = lane.top - lane.marks / 2;
  const path = new Path2D();
  context.lineWidth = 1.5 * ratio;
  if (event.kind === "rejected") {
    const r = REJECTED_RADIUS * ratio;
    path.moveTo(x - r, y - r);
    path.lineTo(x + r, y + r);
    path.moveTo(x - r, y + r);
    path.lineTo(x + r, y - r);
    context.strokeStyle = view.colours.soft;
    context.stroke(path);
    return;
  }
  sign(path, lane.side, x, y, RADIUS * ratio);
  context.strokeStyle = context.fillStyle = view.colours[lane.side ?? "none"];
  if (!event.provisional) context.fill(path);
  context.stroke(path);
}

/** What an event is, in words. */
export function eventWords(event) {
  const size = event.amplitude_uv === null ? "" : `, ${volts(event.amplitude_uv)}`;
  const over = event.snr === null ? "" : `, ${few(event.snr)} times the noise`;
  if (event.kind === "interval") return `${intervalWords(event)}, ${few(event.duration_s)} s`;
  if (event.kind === "rejected") return `no twitch (${event.reason})${size}${over}`;
  return `${event.provisional ? "perhaps a twitch, not decided yet" : "twitch"}${size}${over}`;
}

/** What lies under the pointer, in words; an empty text if nothing. `x`, `y`: CSS pixels. */
export function wordsAt(view, store, events, x, y) {
  const [atX, atY] = [x * view.ratio, y * view.ratio];
  const lane = view.lanes.find(({ top, marks, height }) => atY >= top - marks && atY < top + height);
  if (!lane || atX < view.x || !(view.perColumn > 0)) return "";
  const time_s = ((atX - view.x + view.left) * view.perColumn) / store.sfreq;
  const near_s = (NEAR * view.ratio * view.perColumn) / store.sfreq;
  let best = null;
  let least_s = near_s;
  for (const event of events.between(time_s - near_s, time_s + near_s)) {
    if (event.channel !== lane.channel || event.kind === "covered") continue;
    const off_s = event.kind === "interval" ? 0.99 * near_s : Math.abs(event.peak_s - time_s);
    if (off_s <= least_s) [best, least_s] = [event, off_s];
  }
  const noted = events.marks.find(({ at_s }) => Math.abs(at_s - time_s) <= Math.min(least_s, near_s / 2));
  if (noted) return `${clock(noted.at_s, 2)} mark: ${noted.text}`;
  if (!best) return "";
  return `${clock(best.peak_s ?? best.onset_s, 2)} ${eventWords(best)}`;
}
