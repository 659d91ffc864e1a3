/** Filters for the eye: second-order sections after the RBJ audio EQ cookbook. */

export const HIGH_PASS_HZ = 20;
const NOTCH_WIDTH_HZ = 2;
const NOTCHED_HARMONICS = 3;

function section(kind, f_hz, q, sfreq) {
  const w = (2 * Math.PI * f_hz) / sfreq;
  const alpha = Math.sin(w) / (2 * q);
  const cos = Math.cos(w);
  const a0 = 1 + alpha;
  const side = kind === "high-pass" ? (1 + cos) / 2 : 1;
  const middle = kind === "high-pass" ? -(1 + cos) : -2 * cos;
  return [side / a0, middle / a0, side / a0, (-2 * cos) / a0, (1 - alpha) / a0];
}

/** One channel's filter. It begins anew, without a jump, after each missing sample (NaN). */
export class Filter {
  /** `settings`: {highPass: boolean, notch_hz: 0, 50 or 60}. */
  constructor(settings, sfreq) {
    this.sections = [];
    this.keepsLevel = !(settings.highPass && HIGH_PASS_HZ < 0.45 * sfreq);
    if (!this.keepsLevel) {
      this.sections.push(section("high-pass", HIGH_PASS_HZ, Math.SQRT1_2, sfreq));
    }
    for (let k = 1; k <= NOTCHED_HARMONICS && settings.notch_hz; k++) {
      const f_hz = k * settings.notch_hz;
      if (f_hz < 0.45 * sfreq) {
        this.sections.push(section("notch", f_hz, f_hz / NOTCH_WIDTH_HZ, sfreq));
      }
    }
    this.memory = this.sections.map(() => [0, 0]);
    this.level = NaN;
  }

  /** The next sample, filtered. */
  next(sample) {
    if (Number.isNaN(sample)) {
      this.level = NaN;
      return NaN;
    }
    if (Number.isNaN(this.level)) {
      this.level = sample;
      for (const memory of this.memory) memory.fill(0);
    }
    let value = sample - this.level;
    for (let k = 0; k < this.sections.length; k++) {
      const [b0, b1, b2, a1, a2] = this.sections[k];
      const memory = this.memory[k];
      const out = b0 * value + memory[0];
      memory[0] = b1 * value - a1 * out + memory[1];
      memory[1] = b2 * value - a2 * out;
      value = out;
    }
    return this.keepsLevel ? value + this.level : value;
  }
}
