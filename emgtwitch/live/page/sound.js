/** A click for each twitch, in the ear of its side. */

const CLICK_S = 0.03;
const CLICK_HZ = 1200;
const DECAY_S = 0.005;
const LOUDNESS = 0.5;
const EARS = { left: -1, right: 1, null: 0 };

export class Sound {
  constructor() {
    this.context = null;
    this.on = false;
  }

  /** Switch it on or off; to be called for a click or a key, else browsers allow no sound. */
  toggle() {
    this.on = !this.on;
    if (!this.on) return;
    this.context ??= new AudioContext();
    this.buffer ??= this.#click();
    this.context.resume();
  }

  /** Click for a twitch of a side. */
  play(side) {
    if (!this.on) return;
    const source = this.context.createBufferSource();
    source.buffer = this.buffer;
    const ear = this.context.createStereoPanner();
    ear.pan.value = EARS[side];
    source.connect(ear).connect(this.context.destination);
    source.start();
  }

  #click() {
    const { sampleRate } = this.context;
    const buffer = this.context.createBuffer(1, Math.round(CLICK_S * sampleRate), sampleRate);
    const samples = buffer.getChannelData(0);
    for (let i = 0; i < samples.length; i++) {
      const t = i / sampleRate;
      samples[i] = LOUDNESS * Math.exp(-t / DECAY_S) * Math.sin(2 * Math.PI * CLICK_HZ * t);
    }
    return buffer;
  }
}
