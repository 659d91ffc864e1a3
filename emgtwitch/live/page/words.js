/** Numbers and names as people read them. */

export const SIDE_WORDS = { left: "Left", right: "Right", null: "Side not told" };
const ORDER = ["left", "right", null];
/** Where there is no number. */
export const NONE = "–";
/** Seconds that must have been searched before a rate tells anything. */
export const EARLY_S = 10;

/** Channels from the left to the right leg: [{side, channel}]. */
export function inOrder(sides) {
  return sides
    .map((side, channel) => ({ side, channel }))
    .sort((a, b) => ORDER.indexOf(a.side) - ORDER.indexOf(b.side) || a.channel - b.channel);
}

/** Seconds as h:mm:ss, with `digits` decimals. */
export function clock(seconds, digits = 0) {
  if (!Number.isFinite(seconds)) return NONE;
  const unit = 10 ** digits;
  const whole = Math.floor(Math.max(0, seconds) * unit + 1e-6) / unit;
  const h = Math.floor(whole / 3600);
  const m = Math.floor(whole / 60) % 60;
  const s = (whole % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return `${h}:${String(m).padStart(2, "0")}:${s}`;
}

/** A rate, size or ratio with three figures at most; a dash where there is none. */
export function few(value) {
  if (!Number.isFinite(value)) return NONE;
  return value < 9.95 ? value.toFixed(1) : String(Math.round(value));
}

/** µV, or mV where that is shorter. */
export function volts(uv) {
  if (!Number.isFinite(uv)) return NONE;
  if (Math.abs(uv) >= 1000) return `${Number((uv / 1000).toPrecision(3))} mV`;
  return `${Math.abs(uv) < 9.95 ? Number(uv.toFixed(1)) : Math.round(uv)} µV`;
}

/** A text in so many letters, at most. */
export function cut(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** Bytes as people buy them. */
export function bytes(count) {
  if (!Number.isFinite(count)) return NONE;
  const steps = ["bytes", "kB", "MB", "GB", "TB"];
  const step = Math.min(steps.length - 1, Math.max(0, Math.floor(Math.log10(count || 1) / 3)));
  return `${few(count / 1000 ** step)} ${steps[step]}`;
}

/** The time of day, hh:mm:ss. */
export function timeOfDay(date = new Date()) {
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
}

/** Set the text of an element, if it is another one. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Make an element with a class and a text. */
export function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}
