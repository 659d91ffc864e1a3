/**
 * The trace, column by column.
 *
 * Each column of pixels stands for a range of samples that is fixed by their indices, and shows
 * the least and the greatest of them. So no peak is lost, and nothing flickers: a column looks the
 * same wherever it scrolls to. Columns that are complete are drawn once, into a ring of columns.
 */

const TINT = 0.3; // of the colour for missing samples

export class Strip {
  constructor() {
    this.ring = document.createElement("canvas");
    this.context = this.ring.getContext("2d");
    this.from = this.to = 0; // columns that are drawn
  }

  /** Give it a size, in pixels, and forget what is drawn. */
  resize(width, height) {
    this.ring.width = Math.max(1, width);
    this.ring.height = Math.max(1, height);
    this.from = this.to = 0;
  }

  /** Forget what is drawn. */
  forget() {
    this.from = this.to = 0;
  }

  /**
   * Draw the columns [left, right) of a store into a canvas, with the first of them at `x`.
   *
   * `look`: {perColumn, lanes: [{channel, top, height, middle, perUv, level, colour}], lost, cut,
   * lineWidth}.
   */
  show(target, x, left, right, store, look) {
    // A line reaches into the columns beside its own: those must be complete too.
    const complete = Math.floor(store.end / look.perColumn) - Math.ceil(look.lineWidth);
    const until = Math.min(right, complete);
    if (this.from === this.to || left < this.from || until - this.to > this.ring.width) {
      this.from = this.to = left;
    }
    if (until > this.to) {
      this.#commit(this.to, until, store, look);
      this.to = until;
      this.from = Math.max(this.from, this.to - this.ring.width);
    }
    this.#pieces(Math.max(left, this.from), Math.min(right, this.to), (column, n, at) => {
      const { height } = this.ring;
      target.drawImage(this.ring, at, 0, n, height, x + column - left, 0, n, height);
    });
    const last = Math.min(right, Math.floor((store.end - 1) / look.perColumn) + 1);
    if (last > this.to) drawColumns(target, this.to, last, x + this.to - left, store, look);
  }

  #commit(from, to, store, look) {
    this.#pieces(from, to, (column, n, at) => {
      this.context.clearRect(at, 0, n, this.ring.height);
      drawColumns(this.context, column, column + n, at, store, look);
    });
  }

  /** Cut a range of columns where the ring begins anew. */
  #pieces(from, to, draw) {
    const { width } = this.ring;
    while (from < to) {
      const at = ((from % width) + width) % width; // before the first scan, columns are negative
      const n = Math.min(to - from, width - at);
      draw(from, n, at);
      from += n;
    }
  }
}

/** Draw the columns [from, to), the first of them at `x`; nothing beside them is touched. */
function drawColumns(context, from, to, x, store, look) {
  context.lineWidth = look.lineWidth;
  context.lineJoin = context.lineCap = "round";
  for (const lane of look.lanes) {
    context.save();
    context.beginPath();
    context.rect(x, lane.top, to - from, lane.height);
    context.clip();
    const { lost, cut } = trace(context, from, to, x, store, look, lane);
    context.fillStyle = look.lost;
    context.globalAlpha = TINT;
    for (const column of lost) context.fillRect(x + column - from, lane.top, 1, lane.height);
    context.globalAlpha = 1;
    context.fillStyle = look.cut;
    const edge = 2 * look.lineWidth;
    for (const [column, y] of cut) context.fillRect(x + column - from, y - edge, 1, 2 * edge);
    context.restore();
  }
}

/**
 * Stroke one channel.
 *
 * Return the columns in which samples are missing, and those that leave the lane: [column, y].
 */
function trace(context, from, to, x, store, look, lane) {
  const samples = store.shown[lane.channel];
  const { perColumn } = look;
  const { size } = store;
  const beside = Math.ceil(1 / perColumn) + Math.ceil(look.lineWidth);
  const lost = [];
  const cut = [];
  const bottom = lane.top + lane.height;
  let drawing = false;
  context.beginPath();
  for (let column = from - beside; column < to + beside; column++) {
    const start = Math.max(store.first, Math.ceil(column * perColumn));
    const stop = Math.min(store.end, Math.ceil((column + 1) * perColumn));
    let low = Infinity;
    let high = -Infinity;
    let lowAt = 0;
    let highAt = 0;
    let missing = false;
    for (let i = start; i < stop; i++) {
      const value = samples[i % size];
      if (value < low) {
        low = value;
        lowAt = i;
      }
      if (value > high) {
        high = value;
        highAt = i;
      }
      if (value !== value) missing = true;
    }
    if (missing && column >= from && column < to) lost.push(column);
    if (low > high) {
      if (missing) drawing = false;
      continue;
    }
    const at = x + column - from + 0.5;
    const lowY = lane.middle - (low - lane.level) * lane.perUv;
    const highY = lane.middle - (high - lane.level) * lane.perUv;
    if (column >= from && column < to) {
      if (highY < lane.top) cut.push([column, lane.top]);
      if (lowY > bottom) cut.push([column, bottom]);
    }
    const [firstY, secondY] = lowAt < highAt ? [lowY, highY] : [highY, lowY];
    if (!drawing) context.moveTo(at, firstY);
    context.lineTo(at, firstY);
    context.lineTo(at, secondY);
    drawing = true;
  }
  context.strokeStyle = lane.colour;
  context.stroke();
  return { lost, cut };
}
