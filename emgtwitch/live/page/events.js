/** What the detector found: provisional marks, decided ones, and intervals. */

const SAME_S = 0.025;
const UNCONFIRMED_S = 1.2; // after its peak, a provisional mark that nothing confirmed disappears
const MOST = 4000;

/** "twitch", "rejected" (with a reason) or "interval" (without a peak). */
export function kindOf(event) {
  if (event.peak_s === null) return "interval";
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
    this.all.push(event);
    if (this.all.length > MOST) this.all.splice(0, MOST / 4);
    this.version += 1;
    return event;
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
