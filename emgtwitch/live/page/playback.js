/** The bar of a recording that is played back. */

import { command } from "./stream.js";
import { clock, say } from "./words.js";

export class Playback {
  constructor(find, complain) {
    this.find = find;
    this.complain = complain;
    this.paused = false;
    this.held = false;
    const seek = find("seek");
    seek.addEventListener("input", () => {
      this.held = true;
      say(find("position"), clock(Number(seek.value)));
    });
    seek.addEventListener("change", () => {
      this.held = false;
      this.#send("seek", { to_s: Number(seek.value) });
    });
    find("play").addEventListener("click", () => this.toggle());
    find("speed").addEventListener("change", (event) =>
      this.#send("speed", { factor: Number(event.target.value) }),
    );
  }

  begin(hello) {
    this.duration_s = hello.duration_s;
    this.find("playback").hidden = hello.mode !== "playback";
    this.find("seek").max = String(hello.duration_s ?? 0);
    say(this.find("duration"), clock(hello.duration_s ?? NaN));
  }

  show({ playing }) {
    if (!playing) return;
    this.paused = playing.paused;
    say(this.find("play"), playing.paused ? "Play" : "Pause");
    const speed = this.find("speed");
    if (document.activeElement !== speed) speed.value = String(playing.speed);
    if (this.held) return;
    this.find("seek").value = String(playing.position_s);
    this.find("seek").setAttribute("aria-valuetext", clock(playing.position_s));
    say(this.find("position"), clock(playing.position_s));
  }

  toggle() {
    this.#send(this.paused ? "play" : "pause");
  }

  #send(name, fields) {
    command(name, fields).catch((error) => this.complain(`Playback: ${error.message}`));
  }
}
