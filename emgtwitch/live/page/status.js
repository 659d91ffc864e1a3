/** The head of the page: what runs, since when, where to, and what is wrong. */

import { bytes, clock, say, timeOfDay } from "./words.js";

const MODES = {
  record: ["●", "Recording"],
  watch: ["○", "Watching, nothing is recorded"],
  playback: ["▶", "Playback of a recording"],
  over: ["■", "Ended"],
};

/** When the first scan came, with the day if that may be another one. */
function began({ start, mode }) {
  if (!start) return "";
  const [day, time] = start.split("T");
  return `began ${mode === "playback" ? `${day} ` : ""}${time.slice(0, 5)}`;
}

export class Status {
  constructor(find) {
    this.find = find;
    this.state = {};
    this.broken = "";
    this.over = "";
  }

  begin(hello) {
    const { find } = this;
    this.over = this.broken = "";
    this.state = {};
    document.title = `${hello.title} · emgtwitch live`;
    say(find("title"), hello.title);
    this.#mode(hello.mode);
    say(find("limits"), hello.limits);
    say(find("began"), began(hello));
    this.#trouble();
  }

  show(state) {
    this.state = state;
    say(this.find("elapsed"), clock(state.playing?.position_s ?? state.elapsed_s));
    const { disk } = state;
    const lost = state.lost_scans ? `${state.lost_scans} scans lost` : "nothing lost";
    say(this.find("lost"), lost);
    this.find("disk").hidden = !disk;
    if (disk) {
      say(
        this.find("disk"),
        `${clock(disk.on_disk_s)} on disk, ${bytes(disk.free_bytes)} free`,
      );
      this.find("disk").title = disk.file;
    }
    this.#trouble();
  }

  /** The connection broke. */
  lost() {
    if (!this.broken) {
      this.broken = `connection to emgtwitch lost since ${timeOfDay()}, trying again`;
    }
    this.#trouble();
  }

  /** It is over, as the text says. */
  end(text) {
    this.over = text || "emgtwitch has ended";
    this.#mode("over");
    this.#trouble();
  }

  #mode(mode) {
    const [sign, words] = MODES[mode] ?? ["", mode];
    say(this.find("mode-sign"), sign);
    say(this.find("mode-words"), words);
    this.find("mode").className = `mode ${mode}`;
  }

  #trouble() {
    const { disk, trouble } = this.state;
    const failed = disk?.failed ? `NOT RECORDED ANY MORE: ${disk.failed}` : "";
    const told = this.over ? [this.over] : [this.broken || trouble, failed].filter(Boolean);
    const box = this.find("trouble");
    box.classList.toggle("calm", Boolean(this.over));
    box.hidden = !told.length;
    say(this.find("trouble-words"), told.join(" · "));
  }
}
