// One canvas: a slice, its map over it or not, zoomed and moved; the notice is part of what is drawn.

const SCALES_MM = [200, 100, 50, 20, 10, 5];

export class Pane {
  constructor(canvas, { withMap, notice }) {
    this.canvas = canvas;
    this.withMap = withMap;
    this.notice = notice;
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
   * ``picture``: image or canvas; ``shape``: { width, height, tall }, of the slice, and how tall its pixels are;
   * ``view``: { zoom, x, y, inverted }, x and y in CSS pixels; ``overlay``: { canvas, box } or null; ``spacing``: mm of a
   * column, or null.
   */
  draw({ picture, shape, view, overlay, spacing }) {
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (picture) {
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
      if (spacing) this.drawScale(context, scale / spacing);
    }
    // A whole compressed picture carries the notice itself.
    const carries = picture instanceof HTMLImageElement && view.zoom === 1 && view.x === 0 && view.y === 0;
    if (picture && !carries) this.drawNotice(context);
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

  /** A bar of a round length; ``perMm`` device pixels. */
  drawScale(context, perMm) {
    const length = SCALES_MM.find((mm) => mm * perMm < this.canvas.width / 3) ?? 5;
    const size = 12 * this.density;
    const right = this.canvas.width - size;
    const y = this.canvas.height - size;
    this.stroke(context, [right - length * perMm, y], [right, y]);
    this.write(context, `${length} mm`, right, y - size / 2, "right");
  }

  drawNotice(context) {
    this.write(context, this.notice, 10 * this.density, this.canvas.height - 10 * this.density, "left");
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

  write(context, words, x, y, align) {
    context.font = `${11 * this.density}px system-ui, sans-serif`;
    context.textAlign = align;
    context.lineWidth = 3 * this.density;
    context.strokeStyle = "#000";
    context.fillStyle = "#fff";
    context.strokeText(words, x, y);
    context.fillText(words, x, y);
  }
}
