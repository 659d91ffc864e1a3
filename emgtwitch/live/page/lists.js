/** What was found, and what was said, in lists: the newest first. */

import { eventWords } from "./decoration.js";
import { clock, make, timeOfDay } from "./words.js";

const MOST_EVENTS = 40;
const MOST_SAID = 100;

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
      !event.provisional && (event.kind === "twitch" || !this.onlyTwitches.checked);
    const rows = events.all
      .filter(wanted)
      .slice(-MOST_EVENTS)
      .sort((a, b) => timeOf(b) - timeOf(a))
      .map((event) => {
        const row = make("tr", event.kind);
        const side = this.hello.sides[event.channel];
        row.append(
          make("td", "time", clock(timeOf(event), 2)),
          make("td", side ?? "none", this.hello.ch_names[event.channel]),
          make("td", "", eventWords(event)),
        );
        return row;
      });
    this.body.replaceChildren(...rows);
  }
}

/** Lines for people: marks, losses, troubles. */
export class Said {
  constructor(list) {
    this.list = list;
  }

  clear() {
    this.list.replaceChildren();
  }

  add(text, at = timeOfDay()) {
    const line = make("li");
    line.append(make("time", "", at), make("span", "", text));
    this.list.prepend(line);
    while (this.list.children.length > MOST_SAID) this.list.lastChild.remove();
  }
}
