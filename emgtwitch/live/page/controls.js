/** Buttons, fields and keys. */

import { STEPS_UV } from "./scale.js";
import { command } from "./stream.js";
import { make, say, volts } from "./words.js";

const SPANS_S = [1, 2, 5, 10, 20, 30];
const TOLD = ["subject", "condition", "posture", "treatment"];
const PRESETS = ["cough", "moved", "felt a twitch"];

/**
 * Wire the controls.
 *
 * `page` gives what they act on: traces, scale, sound, playback, refilter(), freeze(),
 * look(direction), complain(text), hello.
 */
export function wire(find, page) {
  for (const span of SPANS_S) find("span").append(new Option(`${span} s`, span));
  find("span").value = String(page.traces.span_s);
  find("span").addEventListener("change", () => {
    page.traces.span_s = Number(find("span").value);
    page.traces.redraw();
  });

  find("scale").append(new Option("auto", ""));
  for (const step of STEPS_UV) find("scale").append(new Option(`± ${volts(step)}`, step));
  find("scale").addEventListener("change", () => {
    page.scale.chosen_uv = Number(find("scale").value) || null;
    if (page.scale.chosen_uv) page.scale.uv = page.scale.chosen_uv;
    page.traces.redraw();
  });

  for (const name of ["high-pass", "notch"]) find(name).addEventListener("change", page.refilter);
  find("freeze").addEventListener("click", page.freeze);
  find("back").addEventListener("click", () => page.look(-1));
  find("forth").addEventListener("click", () => page.look(1));
  find("sound").addEventListener("click", () => {
    page.sound.toggle();
    find("sound").setAttribute("aria-pressed", String(page.sound.on));
    say(find("sound"), page.sound.on ? "Sound on" : "Sound off");
  });
  wireMarks(find, page);
  wireDialogs(find, page);
  document.addEventListener("keydown", (event) => onKey(event, find, page));
}

function wireMarks(find, page) {
  PRESETS.forEach((text, k) => {
    const button = make("button", "preset", text);
    button.type = "button";
    const key = make("kbd", "", String(k + 1));
    key.setAttribute("aria-hidden", "true");
    button.append(" ", key);
    button.addEventListener("click", () => send(page, "mark", { text }));
    find("presets").append(button);
  });
  find("note-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const note = find("note");
    send(page, "mark", { text: note.value.trim() });
    note.value = "";
    note.blur();
  });
}

function wireDialogs(find, page) {
  find("help").addEventListener("click", () => find("help-dialog").showModal());
  find("start").addEventListener("click", () => {
    find("subject").value ||= page.hello.subject ?? "";
    find("start-dialog").showModal();
  });
  find("stop").addEventListener("click", () => find("stop-dialog").showModal());
  for (const button of document.querySelectorAll("dialog .close")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  find("start-form").addEventListener("submit", () =>
    send(page, "start", Object.fromEntries(TOLD.map((name) => [name, find(name).value.trim()]))),
  );
  find("stop-form").addEventListener("submit", () => send(page, "stop"));
}

function send(page, name, fields) {
  command(name, fields).catch((error) => page.complain(`“${name}” was not taken: ${error.message}`));
}

/** Show what is possible now. */
export function offer(find, { commands }) {
  for (const name of ["mark", "start", "stop"]) find(name).hidden = !commands.includes(name);
}

function step(select, by) {
  const index = Math.min(select.options.length - 1, Math.max(0, select.selectedIndex + by));
  select.selectedIndex = index;
  select.dispatchEvent(new Event("change"));
}

/** Choose the next scale, larger or smaller than the present one, which may be automatic. */
function zoom(select, scale, by) {
  const present = STEPS_UV.findIndex((uv) => uv >= scale.uv);
  select.selectedIndex = 1 + (present < 0 ? STEPS_UV.length - 1 : present);
  step(select, select.selectedIndex + by < 1 ? 0 : by);
}

function click(element) {
  if (!element.closest("[hidden]")) element.click();
}

function onKey(event, find, page) {
  const { target, key } = event;
  const typing = target.closest("input:not([type=checkbox]), textarea, select");
  if (typing && key === "Escape") target.blur();
  if (typing || event.ctrlKey || event.altKey || event.metaKey) return;
  if (!find("use-keys").checked || document.querySelector("dialog[open]")) return;
  if (key === " " && target.closest("button, summary, a, input")) return; // presses that
  const presets = find("presets").children;
  const actions = {
    " ": page.freeze,
    ArrowLeft: () => page.look(-1),
    ArrowRight: () => page.look(1),
    "+": () => zoom(find("scale"), page.scale, -1),
    "-": () => zoom(find("scale"), page.scale, 1),
    a: () => step(find("scale"), -Infinity),
    "[": () => step(find("span"), -1),
    "]": () => step(find("span"), 1),
    h: () => find("high-pass").click(),
    n: () => step(find("notch"), find("notch").selectedIndex === 2 ? -2 : 1),
    s: () => find("sound").click(),
    p: () => page.hello?.mode === "playback" && page.playback.toggle(),
    m: () => find("mark").hidden || find("note").focus(),
    r: () => [find("start"), find("stop")].forEach(click),
    "?": () => find("help").click(),
    ...Object.fromEntries(PRESETS.map((_, k) => [String(k + 1), () => click(presets[k])])),
  };
  const action = actions[key] ?? actions[key.toLowerCase()];
  if (!action) return;
  event.preventDefault();
  action();
}
