// One slice at a time, its map over it or not; neighbors are fetched before they are asked for.
import { one, percent } from "./page.js";

const AHEAD = 6;

export class Viewer {
  constructor(slices, start) {
    this.slices = slices;
    this.index = start;
    this.onMove = () => {};
    this.fetched = new Map();
    this.slider = one("slider");
    this.slider?.addEventListener("input", (event) => this.go(Number(event.target.value)));
    one("toggle").addEventListener("change", () => this.show());
    one("stage").addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    document.addEventListener("keydown", (event) => this.key(event));
  }

  go(index) {
    this.index = Math.min(this.slices.length - 1, Math.max(0, index));
    this.show();
    this.fetchAround();
    this.onMove(this.index);
  }

  show() {
    const slice = this.slices[this.index];
    const withMap = slice.scored && one("toggle").checked;
    this.put(one("plain"), slice.image, `Slice ${this.index + 1} in the lung window`);
    one("overlay").hidden = !withMap;
    if (withMap) this.put(one("overlay"), slice.overlay, `Slice ${this.index + 1} with the map over it`);
    one("caption").textContent = this.words(slice);
    if (this.slider) {
      this.slider.value = this.index;
      this.slider.setAttribute("aria-valuetext", this.words(slice));
    }
  }

  put(image, address, words) {
    if (image.getAttribute("src") !== address) image.src = address;
    image.alt = words;
  }

  words(slice) {
    const parts = [`Slice ${slice.index + 1} of ${this.slices.length}`];
    if (slice.z_mm !== null) parts.push(`${slice.z_mm.toFixed(1)} mm`);
    const where = slice.lung_found ? `${percent(slice.evidence_in_lung)} of the evidence in the lungs` : "lungs not found";
    parts.push(slice.scored ? `probability ${percent(slice.probability)}, ${where}` : "not scored");
    return parts.join(" · ");
  }

  fetchAround() {
    for (let step = 1; step <= AHEAD; step += 1) {
      for (const near of [this.slices[this.index + step], this.slices[this.index - step]]) {
        if (near) this.fetch(near);
      }
    }
  }

  fetch(slice) {
    for (const address of [slice.overlay ?? null, slice.image]) {
      if (address && !this.fetched.has(address)) {
        const image = new Image();
        image.src = address;
        this.fetched.set(address, image);
      }
    }
  }

  wheel(event) {
    if (event.ctrlKey) return;
    event.preventDefault();
    this.go(this.index + Math.sign(event.deltaY));
  }

  key(event) {
    const isTyping = event.target.matches("input:not([type=range]):not([type=checkbox]), textarea, select");
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "o") {
      one("toggle").checked = !one("toggle").checked;
      this.show();
      return;
    }
    if (event.target !== one("stage")) return;
    const steps = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      event.preventDefault();
      this.go(this.index + steps[event.key]);
    }
  }
}
