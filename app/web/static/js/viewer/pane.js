// One canvas: a slice, its map over it or not, zoomed and moved; the notice is part of what is drawn.
import { isEnglish } from "../words.js";

const SCALES_MM = [200, 100, 50, 20, 10, 5];

/** Size of what is written, in CSS pixels. */
const LETTER = 11;
/** The service's pictures carry the notice in letters of this share of their height; below that size nobody can read them. */
const [CARRIED, LEGIBLE] = [1 / 40, 9];
/** In English, in letters of so many of their pixels at least; the notice is so many letters' heights long. */
const [LEAST, LONG] = [8, 22];

export class Pane {
  /** ``words``: { notice, loading, letters }; letters of the sides right, left, front and back, none where they are not known. */
  constructor(canvas, { withMap, words }) {
    this.canvas = canvas;
    this.withMap = withMap;
    this.words = words;
  }

  /** Device pixels of a CSS pixel. */
  get density() {
    return window.devicePixelRatio || 1;
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas;
    this.canvas.width = Math.max(1, Math.round(clientWidth * this.density));
    this.canvas.height = Math.max(1, Math.round(clientHeight * this.density));
  }

  /**
   * ``picture``: image or canvas; ``carriesNotice``: whether the service wrote the notice into its pixels; ``shape``: { width, height, tall }, of the slice, and how tall its pixels are;
   * ``view``: { zoom, x, y, inverted }, x and y in CSS pixels; ``overlay``: { canvas, box } or null; ``spacing``: mm of a
   * column, or null.
   */
  draw({ picture, carriesNotice, shape, view, overlay, spacing }) {
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (!picture) {
      this.write(context, this.words.loading, this.canvas.width / 2, this.canvas.height / 2, "center");
      return;
    }
    const scale = this.fit(shape) * view.zoom;
    const tall = scale * shape.tall;
    const left = (this.canvas.width - shape.width * scale) / 2 + view.x * this.density;
    const top = (this.canvas.height - shape.height * tall) / 2 + view.y * this.density;
    context.setTransform(scale, 0, 0, tall, left, top);
    context.drawImage(picture, 0, 0, shape.width, shape.height);
    if (view.inverted) this.invert(context, shape);
    if (overlay && this.withMap) {
      const [y, x, bottom, right] = overlay.box;
      context.drawImage(overlay.canvas, x, y, right - x, bottom - y);
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    const isWhole = view.zoom === 1 && view.x === 0 && view.y === 0;
    const carried = carriesNotice && isWhole ? CARRIED * shape.height * tall : 0;
    // In another window than the service's own what it wrote is in shreds.
    const isRead = isEnglish && picture instanceof HTMLImageElement && carried >= LEGIBLE * this.density;
    const worn = carried && Math.max(carried, LEAST * tall);
    const noticeEnd = isRead ? left + LONG * carried : this.drawNotice(context, left, worn);
    if (spacing) this.drawScale(context, scale / spacing, noticeEnd);
    this.drawLetters(context);
  }

  fit({ width, height, tall }) {
    return Math.min(this.canvas.width / width, this.canvas.height / (height * tall));
  }

  invert(context, { width, height }) {
    context.globalCompositeOperation = "difference";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
    context.globalCompositeOperation = "source-over";
  }

  /** A bar of a round length, above the notice where both would meet; ``perMm`` device pixels. */
  drawScale(context, perMm, noticeEnd) {
    const length = SCALES_MM.find((mm) => mm * perMm < this.canvas.width / 3) ?? 5;
    const right = this.canvas.width - LETTER * this.density;
    const from = right - length * perMm;
    const y = this.canvas.height - (from < noticeEnd ? 2.6 : 1) * LETTER * this.density;
    this.stroke(context, [from, y], [right, y]);
    this.write(context, `${length} mm`, right, y - (LETTER / 2) * this.density, "right");
  }

  /** The notice, over what the picture carries of it if that is too small or in another language; gives its right end. */
  drawNotice(context, left, worn) {
    const size = LETTER * this.density;
    const start = Math.max(0, left);
    const high = Math.max(1.6 * size, 2.2 * worn);
    this.font(context, LETTER);
    const wide = context.measureText(this.words.notice).width;
    const fits = Math.min(1, (this.canvas.width - start - size) / wide);
    this.font(context, LETTER * fits);
    context.fillStyle = "#000";
    context.fillRect(start, this.canvas.height - high, Math.max(wide * fits + size, LONG * worn), high);
    this.write(context, this.words.notice, start + size / 2, this.canvas.height - size / 2, "left", fits);
    return start + wide * fits + size;
  }

  drawLetters(context) {
    const [right, left, front, back] = this.words.letters ?? "";
    if (!right) return;
    const { width, height } = this.canvas;
    const size = LETTER * this.density;
    this.write(context, right, size, height / 2, "left");
    this.write(context, left, width - size, height / 2, "right");
    this.write(context, front, width / 2, 1.5 * size, "center");
    this.write(context, back, width / 2, height - 2.5 * size, "center");
  }

  stroke(context, from, to) {
    for (const [color, width] of [["#000", 4], ["#fff", 2]]) {
      context.strokeStyle = color;
      context.lineWidth = width * this.density;
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
    }
  }

  font(context, size) {
    context.font = `${size * this.density}px system-ui, sans-serif`;
  }

  write(context, words, x, y, align, fits = 1) {
    this.font(context, LETTER * fits);
    context.textAlign = align;
    context.lineWidth = 3 * this.density;
    context.lineJoin = "round";
    context.strokeStyle = "#000";
    context.fillStyle = "#fff";
    context.strokeText(words, x, y);
    context.fillText(words, x, y);
  }
}
