/** Colours and shapes of the drawings: the colours are those of the style sheet. */

const NAMES = ["ink", "soft", "faint", "line", "panel", "left", "right", "none", "shade", "hatch"];

/** The present colours, name → CSS colour, and the font. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const found = Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`)]));
  found.font = getComputedStyle(document.body).fontFamily;
  return found;
}

/** Call back when the colours change between dark and light. */
export function whenThemeChanges(changed) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}

/** Add the sign of a side to a path: circle left, triangle right, square otherwise. */
export function sign(path, side, x, y, radius) {
  if (side === "left") {
    path.moveTo(x + radius, y);
    path.arc(x, y, radius, 0, 2 * Math.PI);
  } else if (side === "right") {
    const r = 1.2 * radius;
    path.moveTo(x, y - r);
    path.lineTo(x + r, y + 0.85 * r);
    path.lineTo(x - r, y + 0.85 * r);
    path.closePath();
  } else {
    path.rect(x - 0.85 * radius, y - 0.85 * radius, 1.7 * radius, 1.7 * radius);
  }
}

/** A pattern of lines for stretches without a signal: "/" or "x". */
export function hatching(context, kind, colour, scale) {
  const size = 8 * scale;
  const tile = new OffscreenCanvas(size, size);
  const draw = tile.getContext("2d");
  draw.strokeStyle = colour;
  draw.lineWidth = scale;
  for (const d of [-size, 0, size]) {
    draw.moveTo(d, size);
    draw.lineTo(d + size, 0);
    if (kind === "x") {
      draw.moveTo(d, 0);
      draw.lineTo(d + size, size);
    }
  }
  draw.stroke();
  return context.createPattern(tile, "repeat");
}
