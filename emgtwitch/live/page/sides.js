/** The cards of the left and the right leg: counts, rates and how good the signal is. */

import { EARLY_S, SIDE_WORDS, clock, few, inOrder, make, NONE, say, volts } from "./words.js";

const SIGNS = { good: "●", poor: "▲", bad: "✖", unknown: "○" };
const WORST = ["bad", "poor", "unknown", "good"];
const CAPTIONS = ["", "twitches", "per minute", "last minute", "signal"];
const LIT_MS = 250;
const MINUTE_S = 60;
const SPOKEN_MS = 20000;

export class Sides {
  constructor(root, spoken) {
    this.root = root;
    this.spoken = spoken;
    this.spoken_ms = 0;
    this.rows = [];
  }

  /** Make a card for each leg, with a row for each of its channels. */
  begin(hello) {
    const channels = JSON.stringify([hello.ch_names, hello.sides]);
    this.hello = hello;
    if (channels === this.channels) return; // what is open or has the focus stays so
    this.channels = channels;
    this.root.replaceChildren();
    this.rows = [];
    const cards = new Map();
    for (const { side, channel } of inOrder(hello.sides)) {
      if (!cards.has(side)) cards.set(side, this.#card(side));
      const row = makeRow(hello.ch_names[channel]);
      row.lamp = cards.get(side).querySelector(".lamp");
      cards.get(side).append(row.root);
      this.rows[channel] = row;
    }
    for (const card of cards.values()) {
      card.classList.add(card.querySelectorAll(".channel").length === 1 ? "single" : "many");
    }
    this.root.classList.toggle("one", cards.size === 1);
  }

  #card(side) {
    const card = make("section", `card ${side ?? "none"}`);
    const title = make("h2");
    const lamp = make("span", "lamp");
    lamp.setAttribute("aria-hidden", "true");
    title.append(lamp, SIDE_WORDS[side]);
    const captions = make("div", "captions");
    captions.setAttribute("aria-hidden", "true"); // each number has its unit
    captions.append(...CAPTIONS.map((text) => make("span", "", text)));
    card.append(title, captions);
    this.root.append(card);
    return card;
  }

  /** Light the sign of a channel's leg for a moment. */
  light(channel) {
    const lamp = this.rows[channel]?.lamp;
    if (!lamp) return;
    lamp.classList.add("lit");
    clearTimeout(lamp.out);
    lamp.out = setTimeout(() => lamp.classList.remove("lit"), LIT_MS);
  }

  /** Show the newest state. */
  show(state) {
    state.channels.forEach((told, channel) => {
      const row = this.rows[channel];
      if (row) fill(row, told, state.elapsed_s);
    });
    const now_ms = performance.now();
    if (now_ms - this.spoken_ms < SPOKEN_MS) return;
    this.spoken_ms = now_ms;
    const counts = state.channels.map((told, c) => `${this.hello.ch_names[c]}: ${told.twitches}`);
    say(this.spoken, `Twitches so far. ${counts.join(", ")}.`);
  }
}

function makeRow(name) {
  const root = make("div", "channel");
  const parts = {};
  const add = (parent, tag, key, text = "") => {
    parts[key] = make(tag, key, text);
    parent.append(parts[key]);
    return parts[key];
  };
  add(root, "h3", "name", name);
  const quality = add(root, "details", "quality");
  add(quality, "summary", "lights");
  add(quality, "ul", "advice");
  add(quality, "p", "facts");
  const numbers = make("div", "numbers");
  const count = add(numbers, "p", "count");
  add(count, "strong", "twitches", "–");
  add(count, "span", "unit", "twitches");
  const rate = add(numbers, "p", "rate");
  add(rate, "strong", "perMinute", "–");
  rate.append(make("span", "unit", "per minute"));
  add(rate, "span", "interval");
  const last = add(numbers, "p", "last");
  add(last, "strong", "lastMinute", "–");
  last.append(make("span", "unit", "last minute"));
  last.title = "twitches per minute that was searched, of the last 60 s";
  root.append(numbers);
  return { root, told: "", ...parts };
}

function fill(row, told, elapsed_s) {
  const early = !(told.valid_s >= EARLY_S);
  say(row.twitches, String(told.twitches));
  say(row.unit, told.twitches === 1 ? "twitch" : "twitches");
  say(row.perMinute, early ? NONE : few(told.rate_per_min));
  const known = !early && Number.isFinite(told.low);
  say(row.interval, known ? `(95 %: ${few(told.low)} to ${few(told.high)})` : "");
  say(row.lastMinute, elapsed_s < MINUTE_S ? NONE : few(told.last_minute_per_min));
  say(
    row.facts,
    `Searched ${clock(told.valid_s)}; noise ${volts(told.noise_uv)}; half of the twitches of ` +
      `${volts(told.floor_uv)} are found. In brackets: 95 % interval of the rate, which is told from ${EARLY_S} s on.`,
  );
  const lights = Object.entries(told.quality ?? {});
  const seen = JSON.stringify(lights);
  if (seen === row.told) return; // an open list stays as it is
  row.told = seen;
  lights.sort(([, a], [, b]) => WORST.indexOf(a.light) - WORST.indexOf(b.light));
  row.lights.replaceChildren(...summary(lights));
  row.advice.replaceChildren(
    ...lights.map(([name, { light, words }]) => {
      const line = make("li", `light ${light}`);
      const sign = make("span", "sign", SIGNS[light] ?? "○");
      sign.setAttribute("aria-hidden", "true");
      line.append(sign, make("strong", "", `${name}: ${light}`), words ? ` – ${words}` : "");
      return line;
    }),
  );
}

/** The signal in one line: what is wrong, or that nothing is. */
function summary(lights) {
  const wrong = lights.filter(([, { light }]) => light === "bad" || light === "poor");
  const unknown = lights.filter(([, { light }]) => light === "unknown");
  const chips = wrong.map(([name, { light }]) => chip(light, `${name} ${light}`));
  if (!lights.length || unknown.length === lights.length) {
    chips.push(chip("unknown", "signal not judged yet"));
  } else if (!wrong.length) {
    chips.push(chip("good", "signal good"));
  }
  return chips;
}

function chip(light, text) {
  const found = make("span", `light ${light}`);
  const sign = make("span", "sign", SIGNS[light] ?? "○");
  sign.setAttribute("aria-hidden", "true");
  found.append(sign, text);
  return found;
}
