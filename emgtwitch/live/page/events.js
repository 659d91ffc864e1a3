/** What the detector found: provisional marks, decided ones, and intervals; and what people marked. */

const SAME_S = 0.025;
const UNCONFIRMED_S = 1.2; // after its peak, a provisional mark that nothing confirmed disappears
const MOST = 4000;
const MOST_MARKS = 1000;
const LEFT_OUT = ["contraction", "gap", "saturation", "flat line", "warm-up"]; // of stretches

/**
 * "twitch", "rejected" (with a reason), "covered" (by a stretch that is left out, which tells
 * enough) or "interval" (without a peak).
 */
export function kindOf(event) {
  if (event.peak_s === null) return "interval";
  if (LEFT_OUT.includes(event.reason)) return "covered";
  return event.trial_type === "fasciculation" && event.reason === null ? "twitch" : "rejected";
}

/** What an interval is, in words. */
export function intervalWords(event) {
  if (event.reason) return event.reason;
  return { gap: "samples missing", saturation: "amplifier at its limit" }[event.trial_type]
    ?? event.trial_type;
}

export class Events {
  constructor() {
    this.all = []; // as they came; the oldest go first
    this.marks = []; // {at_s, text}
    this.ongoing = []; // intervals that have not ended yet
    this.version = 0; // changes with each change
  }

  /** Take in a message; a decided event replaces the provisional one of its channel. */
  add(message) {
    const event = { ...message, kind: kindOf(message) };
    if (!event.provisional && event.kind !== "interval") {
      this.#remove(
        (old) =>
          old.provisional &&
          old.channel === event.channel &&
          Math.abs(old.peak_s - event.peak_s) <= SAME_S,
      );
    }
    if (event.kind === "interval") {
      this.ongoing = this.ongoing.filter(({ channel }) => channel !== event.channel);
    }
    this.all.push(event);
    if (this.all.length > MOST) this.all.splice(0, MOST / 4);
    this.version += 1;
    return event;
  }

  /** Take in what somebody marked. */
  addMark({ at_s, text }) {
    this.marks.push({ at_s, text });
    if (this.marks.length > MOST_MARKS) this.marks.shift();
    this.version += 1;
  }

  /** Take in the intervals that go on, as the channels of a state tell them. */
  goOn(channels) {
    if (!this.ongoing.length && !channels.some(({ ongoing }) => ongoing)) return;
    this.ongoing = channels.flatMap(({ ongoing }, channel) =>
      ongoing ? [{ ...ongoing, peak_s: null, channel, kind: "interval" }] : [],
    );
    this.version += 1;
  }

  /** Forget provisional marks that nothing confirmed until `now_s` of the stream. */
  settle(now_s) {
    this.#remove((event) => event.provisional && event.peak_s < now_s - UNCONFIRMED_S);
  }

  /** Those that touch a stretch of the stream. */
  *between(from_s, to_s) {
    for (const event of this.all) {
      const start_s = event.peak_s ?? event.onset_s;
      if (start_s <= to_s && start_s + (event.duration_s ?? 0) >= from_s) yield event;
    }
    yield* this.ongoing;
  }

  /** Peak to peak of the largest decided twitch since a time of the stream, µV. */
  largest(from_s) {
    let most = 0;
    for (const { kind, provisional, peak_s, amplitude_uv } of this.all) {
      if (kind === "twitch" && !provisional && peak_s >= from_s) most = Math.max(most, amplitude_uv);
    }
    return most;
  }

  #remove(which) {
    const kept = this.all.filter((event) => !which(event));
    if (kept.length === this.all.length) return;
    this.all = kept;
    this.version += 1;
  }
}
