/** What was found, and what was said, in lists: the newest first. */

import { eventWords } from "./decoration.js";
import { clock, make, timeOfDay } from "./words.js";

const MOST_EVENTS = 40;
const MOST_SAID = 100;

const TOAST_MS = 8000;

const timeOf = (event) => event.peak_s ?? event.onset_s;

/** The last events, also for those who cannot hover over a mark. */
export class EventList {
  constructor(body, onlyTwitches) {
    this.body = body;
    this.onlyTwitches = onlyTwitches;
    onlyTwitches.addEventListener("change", () => (this.seen = -1));
  }

  begin(hello) {
    this.hello = hello;
    this.seen = -1;
  }

  show(events) {
    if (events.version === this.seen) return;
    this.seen = events.version;
    const wanted = (event) =>
      !event.provisional &&
      event.kind !== "covered" &&
      (event.kind === "twitch" || !this.onlyTwitches.checked);
    const rows = events.all
      .filter(wanted)
      .slice(-MOST_EVENTS)
      .map((event) => [timeOf(event), this.#row(event)]);
    const marks = (this.onlyTwitches.checked ? [] : events.marks)
      .slice(-MOST_EVENTS)
      .map((mark) => [mark.at_s, rowOfMark(mark)]);
    const newest = [...rows, ...marks].sort(([a], [b]) => b - a).slice(0, MOST_EVENTS);
    this.body.replaceChildren(...newest.map(([, row]) => row));
  }

  #row(event) {
    const row = make("tr", event.kind);
    const side = this.hello.sides[event.channel];
    row.append(
      make("td", "time", clock(timeOf(event), 2)),
      make("td", side ?? "none", this.hello.ch_names[event.channel]),
      make("td", "", eventWords(event)),
    );
    return row;
  }
}

function rowOfMark({ at_s, text }) {
  const row = make("tr", "mark");
  row.append(make("td", "time", clock(at_s, 2)), make("td", "", "mark"), make("td", "", text));
  return row;
}

/** Lines for people: marks, losses, troubles; a new one stands for a while where it is seen. */
export class Said {
  constructor(list, toast) {
    this.list = list;
    this.toast = toast;
    this.hiding = 0;
  }

  clear() {
    this.list.replaceChildren();
  }

  /** Add a line; `isNew`: it is not from before the page was opened. */
  add(text, at = timeOfDay(), isNew = true) {
    const line = make("li");
    line.append(make("time", "", at), make("span", "", text));
    this.list.prepend(line);
    while (this.list.children.length > MOST_SAID) this.list.lastChild.remove();
    if (!isNew) return;
    this.toast.textContent = text;
    this.toast.hidden = false;
    clearTimeout(this.hiding);
    this.hiding = setTimeout(() => (this.toast.hidden = true), TOAST_MS);
  }
}
