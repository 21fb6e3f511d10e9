// Maps of evidence: bytes on the network's grid to colors over a slice.

/** Color of heat 0, .2, .4 ... 1: lightness rises evenly, so it reads without red-green vision; as the service draws it. */
const STOPS = [
  [0, 0, 0],
  [60, 15, 110],
  [150, 40, 125],
  [225, 80, 85],
  [250, 160, 60],
  [252, 250, 165],
];
/** Heat from which on the map is as opaque as it gets. */
const FULL = 0.25;
/** Maps that are kept enlarged, and colored: an exam may have thousands. */
const KEPT = 40;

export function colorOf(heat) {
  const place = Math.min(1, Math.max(0, heat)) * (STOPS.length - 1);
  const below = Math.min(STOPS.length - 2, Math.floor(place));
  return STOPS[below].map((low, k) => low + (STOPS[below + 1][k] - low) * (place - below));
}

function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function canvasOf(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/** The maps of an exam by slice; ``draw`` gives one as a canvas to lay over its box. */
export class Maps {
  constructor(maps) {
    this.maps = new Map(maps.map((one) => [one.slice, one]));
    this.enlarged = new Map();
    this.drawn = new Map();
  }

  has(slice) {
    return this.maps.has(slice);
  }

  box(slice) {
    return this.maps.get(slice).box;
  }

  draw(slice, opacity, threshold) {
    const key = `${slice} ${opacity} ${threshold}`;
    if (!this.drawn.has(key)) {
      if (this.drawn.size >= KEPT) this.drawn.clear();
      this.drawn.set(key, this.colored(slice, opacity, threshold));
    }
    return this.drawn.get(key);
  }

  colored(slice, opacity, threshold) {
    const { width, height, heat } = this.heat(slice);
    const canvas = canvasOf(width, height);
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(width, height);
    const colors = Array.from({ length: 256 }, (_, value) => colorOf(value / 255));
    for (let k = 0, at = 0; k < heat.length; k += 4, at += 4) {
      const value = heat[k];
      if (value / 255 < threshold) continue;
      [pixels.data[at], pixels.data[at + 1], pixels.data[at + 2]] = colors[value];
      pixels.data[at + 3] = 255 * opacity * Math.min(1, value / 255 / FULL);
    }
    context.putImageData(pixels, 0, 0);
    return canvas;
  }

  /** The map enlarged to its box, smoothly: red bytes are the heat. */
  heat(slice) {
    if (!this.enlarged.has(slice)) {
      if (this.enlarged.size >= KEPT) this.enlarged.clear();
      const { box, rows, columns, heat } = this.maps.get(slice);
      const [top, left, bottom, right] = box;
      const small = canvasOf(columns, rows);
      const pixels = new ImageData(columns, rows);
      bytesOf(heat).forEach((value, k) => pixels.data.set([value, value, value, 255], 4 * k));
      small.getContext("2d").putImageData(pixels, 0, 0);
      const large = canvasOf(right - left, bottom - top);
      const context = large.getContext("2d", { willReadFrequently: true });
      context.imageSmoothingQuality = "high";
      context.drawImage(small, 0, 0, large.width, large.height);
      const read = context.getImageData(0, 0, large.width, large.height);
      this.enlarged.set(slice, { width: large.width, height: large.height, heat: read.data });
    }
    return this.enlarged.get(slice);
  }
}
