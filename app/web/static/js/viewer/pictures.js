// The exam's pictures: compressed ones nearest first, Hounsfield units when a window asks for them.
import { intoPixels, isLung, unitsOf } from "./window.js";

const AT_ONCE = 4;
const UNITS_KEPT = 60;

export class Pictures {
  /** ``on.arrived(index)`` when something of a slice has come; ``on.missed(index)`` when it could not be had. */
  constructor(slices, on) {
    this.slices = slices;
    this.on = on;
    this.images = new Map();
    this.missed = new Set();
    this.units = new Map();
    this.underWay = 0;
    this.unitsUnderWay = 0;
    this.near = 0;
    this.shown = { key: "", canvas: document.createElement("canvas") };
  }

  /** How many of the pictures are here. */
  get arrived() {
    return [...this.images.values()].filter((image) => image.complete && image.naturalWidth > 0).length;
  }

  /** Fetch what is nearest to ``index`` first, until all is here. */
  approach(index) {
    this.near = index;
    while (this.underWay < AT_ONCE) {
      const next = this.nearestMissing();
      if (next === undefined) return;
      this.fetch(next);
    }
  }

  /** Fetch once more what could not be had. */
  tryAgain() {
    this.missed.clear();
    for (const [index, { isStandIn }] of this.units) if (isStandIn) this.units.delete(index);
    this.approach(this.near);
    this.on.arrived(this.near);
  }

  nearestMissing() {
    const last = this.slices.length;
    for (let step = 0; step < last; step += 1) {
      for (const index of [this.near + step, this.near - step]) {
        if (index >= 0 && index < last && !this.images.has(index) && !this.missed.has(index)) return index;
      }
    }
    return undefined;
  }

  fetch(index) {
    const image = new Image();
    this.images.set(index, image);
    this.underWay += 1;
    image.addEventListener("load", () => {
      this.settle();
      this.on.arrived(index);
    });
    image.addEventListener("error", () => {
      this.images.delete(index);
      this.missed.add(index);
      // The others would fail as well, and be asked for one by one: they wait until it is known why.
      this.underWay -= 1;
      this.on.missed(index);
    });
    image.src = this.slices[index].compressed || this.slices[index].image;
  }

  settle() {
    this.underWay -= 1;
    this.approach(this.near);
  }

  /**
   * What to draw of a slice in a window: ``picture``, and whether it ``carriesNotice`` as the service's pictures do; null until
   * it is here: a picture of another window is not shown for it.
   */
  drawable(index, window) {
    const image = this.images.get(index);
    if (!image?.complete || !image.naturalWidth) return null;
    if (isLung(window)) return { picture: image, carriesNotice: true };
    const units = this.unitsAt(index, image);
    return units && { picture: this.windowed(index, units, window), carriesNotice: Boolean(units.isOfPicture) };
  }

  /** Whether a slice is shown in any window from its Hounsfield units, not from a picture of the lung window. */
  hasUnits(index) {
    return Boolean(this.slices[index].pixels) && !this.units.get(index)?.isStandIn;
  }

  unitsAt(index, image) {
    const known = this.units.get(index);
    if (known) return known.values ? known : null;
    this.forgetFar();
    if (!this.slices[index].pixels) {
      this.units.set(index, ofPicture(image));
      return this.units.get(index);
    }
    // Half a megabyte each: whoever scrolls past does not wait behind all of them. What ends asks for the one in view.
    if (this.unitsUnderWay < AT_ONCE) this.fetchUnits(index);
    return null;
  }

  async fetchUnits(index) {
    this.units.set(index, {});
    this.unitsUnderWay += 1;
    try {
      const answer = await fetch(this.slices[index].pixels);
      if (!answer.ok) throw new Error(`${answer.status}`);
      const values = new Int16Array(await answer.arrayBuffer());
      const [width, height] = [Number(answer.headers.get("X-Columns")), Number(answer.headers.get("X-Rows"))];
      this.units.set(index, { values, width, height });
      this.shown.key = "";
    } catch {
      this.units.set(index, { ...ofPicture(this.images.get(index)), isStandIn: true });
      this.on.missed(index);
    }
    this.unitsUnderWay -= 1;
    this.forgetFar();
    this.on.arrived(this.near);
  }

  forgetFar() {
    if (this.units.size < UNITS_KEPT) return;
    for (const [other, { values }] of this.units) {
      if (values && Math.abs(other - this.near) > UNITS_KEPT / 4) this.units.delete(other);
    }
  }

  windowed(index, { values, width, height }, window) {
    const key = `${index} ${window.center} ${window.width}`;
    const { shown } = this;
    if (shown.key !== key) {
      shown.canvas.width = width;
      shown.canvas.height = height;
      const context = shown.canvas.getContext("2d");
      const pixels = context.createImageData(width, height);
      intoPixels(values, window, pixels.data);
      context.putImageData(pixels, 0, 0);
      shown.key = key;
    }
    return shown.canvas;
  }
}

function ofPicture(image) {
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, width, height).data;
  const gray = new Uint8Array(width * height);
  for (let k = 0; k < gray.length; k += 1) gray[k] = pixels[4 * k];
  return { values: unitsOf(gray), width, height, isOfPicture: true };
}
