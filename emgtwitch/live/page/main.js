/** Brings the parts of the page together. */

import { Clock } from "./clock.js";
import { offer, wire } from "./controls.js";
import { wordsAt } from "./decoration.js";
import { Events } from "./events.js";
import { EventList, Said } from "./lists.js";
import { Measured } from "./measured.js";
import { Playback } from "./playback.js";
import { Rates } from "./rates.js";
import { Scale } from "./scale.js";
import { Sides } from "./sides.js";
import { Sound } from "./sound.js";
import { Status } from "./status.js";
import { Store } from "./store.js";
import { connect } from "./stream.js";
import { whenThemeChanges } from "./theme.js";
import { Traces } from "./traces.js";
import { Waveforms } from "./waveforms.js";
import { clock as clockWords, say } from "./words.js";

const SLOW_MS = 400; // between looks at what need not be done with every frame
const HISTORY_MS = 1000; // what comes so soon after the beginning happened before: no sound
const PAGES = 2; // with reduced motion, the picture goes on by this part of itself

const find = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const scale = new Scale();
const traces = new Traces(find("traces"), scale);
const sides = new Sides(find("sides"), find("spoken"));
const rates = new Rates(find("rates"));
const waveforms = new Waveforms(find("waveforms"));
const list = new EventList(find("events"), find("only-twitches"));
const said = new Said(find("said"), find("toast"));
const status = new Status(find);
const sound = new Sound();
const complain = (text) => said.add(text);
const playback = new Playback(find, complain);
const measured = (window.emgtwitchMeasured = new Measured());

measured.shown = () => ({ store, events, traces });

let hello = null;
let store = null;
let events = new Events();
let clock = new Clock();
let frozen_s = null;
let unseen = []; // provisional events that no frame has shown
let slow_ms = 0;
let begun_ms = 0;
let opened_ms = 0;
let drawn = 0; // scans

const page = { traces, scale, sound, playback, complain, freeze, look, refilter };
Object.defineProperty(page, "hello", { get: () => hello });

function settings() {
  return { highPass: find("high-pass").checked, notch_hz: Number(find("notch").value) };
}

const take = {
  hello(message) {
    find("page").hidden = false;
    find("wait").hidden = true;
    hello = message;
    begun_ms = performance.now();
    drawn = 0;
    store = new Store(hello, settings());
    events = new Events();
    clock = new Clock();
    unseen = [];
    if (frozen_s !== null) freeze();
    scale.levels = [];
    for (const part of [status, sides, rates, waveforms, list, playback, traces]) part.begin(hello);
    offer(find, hello);
  },
  scans(message) {
    store.add(message);
    clock.hear(store.end / store.sfreq, performance.now());
  },
  event(message) {
    const event = events.add(message);
    if (event.kind !== "twitch") return;
    if (!event.provisional) waveforms.add(event);
    if (performance.now() - begun_ms < HISTORY_MS) return;
    if (!event.provisional && hello.mode !== "playback") return; // it was announced before
    if (event.provisional && !document.hidden) unseen.push(event);
    sides.light(event.channel);
    sound.play(hello.sides[event.channel]);
  },
  state(message) {
    const { playing } = message;
    clock.setRate(playing ? (playing.paused ? 0 : playing.speed) : 1, performance.now());
    for (const part of [status, sides, playback]) part.show(message);
    events.goOn(message.channels);
    if (message.rates) rates.show(message.rates);
  },
  mark(message) {
    events.addMark(message);
    rates.showMarks(events.marks);
  },
  said: ({ text, at }) => said.add(text, at, performance.now() - opened_ms > HISTORY_MS),
  over(message) {
    status.end(message.text);
    offer(find, { commands: [] });
    find("playback").hidden = true;
  },
};

function heard(message) {
  if (message.type === "hello" || hello) take[message.type]?.(message);
}

/** Let the drawing stand still, or go on. */
function freeze() {
  frozen_s = frozen_s === null ? traces.edge_s : null;
  find("freeze").setAttribute("aria-pressed", String(frozen_s !== null));
  find("frozen").hidden = frozen_s === null;
  traces.redraw();
  tellFrozen();
}

function tellFrozen() {
  if (frozen_s !== null) say(find("frozen-at"), clockWords(frozen_s));
}

/** Look back (-1) or forth (1) by half a picture; looking back lets the drawing stand still. */
function look(direction) {
  if (!store) return;
  if (frozen_s === null) {
    if (direction > 0) return;
    freeze();
  }
  const newest_s = store.end / store.sfreq;
  const oldest_s = store.first / store.sfreq + traces.span_s / 2;
  const wanted_s = frozen_s + (direction * traces.span_s) / 2;
  frozen_s = Math.min(newest_s, Math.max(Math.min(oldest_s, newest_s), wanted_s));
  traces.redraw();
  tellFrozen();
}

function refilter() {
  store?.filterBy(settings());
  waveforms.refilter();
  scale.levels = [];
  traces.redraw();
}

function edge(now_ms) {
  const edge_s = clock.edge(now_ms);
  if (frozen_s !== null) return frozen_s;
  if (!calm.matches) return edge_s;
  const step_s = traces.span_s / PAGES;
  return Math.ceil(edge_s / step_s) * step_s;
}

function frame(now_ms) {
  requestAnimationFrame(frame);
  measured.frame(now_ms);
  if (!store) return;
  const edge_s = edge(now_ms) || 0; // NaN before the first scan
  if (now_ms - slow_ms > SLOW_MS) {
    slow_ms = now_ms;
    rest(now_ms);
  }
  const began_ms = performance.now();
  if (!traces.draw(edge_s, store, events)) return;
  const done_ms = performance.now();
  measured.drawn += 1;
  measured.draws.add(done_ms - began_ms);
  if (frozen_s !== null) return;
  const epoch_ms = Date.now();
  if (store.end > drawn) measured.latencies.add(epoch_ms - store.arrivals.at(-1)[1]);
  drawn = store.end;
  for (const event of unseen) {
    measured.marks.add(epoch_ms - store.cameMs(Math.round(event.peak_s * store.sfreq)));
  }
  unseen = [];
}

/** What need not be done with every frame. */
function rest(now_ms) {
  events.settle(store.end / store.sfreq);
  traces.measure(store, events, now_ms);
  waveforms.show(store);
  list.show(events);
}

function wireHover() {
  const tip = find("tip");
  const canvas = find("traces");
  canvas.addEventListener("pointermove", (event) => {
    const words = store ? wordsAt(traces, store, events, event.offsetX, event.offsetY) : "";
    tip.hidden = !words;
    say(tip, words);
    const right = event.offsetX > canvas.clientWidth / 2;
    tip.style.left = right ? "" : `${event.offsetX + 14}px`;
    tip.style.right = right ? `${canvas.clientWidth - event.offsetX + 14}px` : "";
    tip.style.bottom = `${canvas.clientHeight - event.offsetY + 10}px`;
  });
  canvas.addEventListener("pointerleave", () => (tip.hidden = true));
}

wire(find, page);
wireHover();
whenThemeChanges(() => {
  traces.recolour();
  rates.rebuild();
  waveforms.rebuild();
});

function opened() {
  opened_ms = performance.now();
  said.clear();
}

connect({ opened, heard, lost: () => status.lost() });
requestAnimationFrame(frame);
