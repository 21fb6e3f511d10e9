// The slice viewer: which slice, which window, how large, the map over it; by wheel, pointer, keys and buttons.
import { chance, one, percent } from "../page.js";
import { sentence } from "../words.js";
import { Gestures } from "./gestures.js";
import { Losses } from "./losses.js";
import { Pane } from "./pane.js";
import { Pictures } from "./pictures.js";
import { MAP, STILL, drawSlice, drawsMap } from "./slice.js";
import { LUNG, PRESETS, isLung, windowOf } from "./window.js";

const CINE_MS = 90;
const [LEAST_ZOOM, MOST_ZOOM] = [0.5, 12];

export class Viewer {
  /** ``report``: the exam's; ``maps``: its maps, or null; ``gone`` is called when the exam turns out to be no longer kept. */
  constructor(report, maps, { exam, start, gone }) {
    this.slices = report.slices;
    this.findings = report.findings.map((finding) => finding.slice);
    this.maps = maps;
    this.index = start;
    this.window = { ...LUNG };
    this.view = { ...STILL, inverted: false };
    this.map = { ...MAP };
    this.beside = false;
    this.cine = null;
    this.onMove = () => {};
    this.stage = one("stage");
    const words = { ...this.stage.dataset };
    this.panes = [
      new Pane(one("pane-plain"), { withMap: false, words }),
      new Pane(one("pane"), { withMap: true, words }),
    ];
    this.pictures = new Pictures(this.slices, {
      arrived: (index) => this.arrived(index),
      missed: (index) => {
        this.arrived(index);
        this.losses.note();
      },
    });
    this.losses = new Losses(exam, this.pictures, { gone, lost: (isLost) => { one("lost").hidden = !isLost; } });
    this.gestures = new Gestures(this.stage, this);
    this.listen();
    new ResizeObserver(() => this.resize()).observe(this.stage);
  }

  get slice() {
    return this.slices[this.index];
  }

  go(index) {
    const next = Math.min(this.slices.length - 1, Math.max(0, index));
    this.index = next;
    this.pictures.approach(next);
    this.show();
    this.onMove(next);
  }

  step(by) {
    this.go(this.index + by);
  }

  /** The next finding towards the feet (1) or the head (-1), from the other end after the last. */
  goToFinding(direction) {
    if (!this.findings.length) return;
    const ordered = direction > 0 ? this.findings : [...this.findings].reverse();
    const next = ordered.find((index) => (index - this.index) * direction > 0);
    this.go(next ?? ordered[0]);
  }

  setWindow(center, width) {
    this.window = windowOf(center, width);
    this.show();
  }

  setView(change) {
    const view = { ...this.view, ...change };
    view.zoom = Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, view.zoom));
    this.view = view;
    this.show();
  }

  zoomBy(factor) {
    const zoom = Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, this.view.zoom * factor));
    const change = zoom / this.view.zoom;
    this.setView({ zoom, x: this.view.x * change, y: this.view.y * change });
  }

  fit() {
    this.setView(STILL);
  }

  setMap(change) {
    this.map = { ...this.map, ...change };
    this.show();
  }

  setBeside(beside) {
    this.beside = beside;
    this.stage.classList.toggle("beside", beside);
    one("pane-plain").hidden = !beside;
    this.tellState();
    this.resize();
  }

  setCine(runs) {
    clearInterval(this.cine);
    // Nobody can follow so many slices by ear.
    one("caption").setAttribute("aria-live", runs ? "off" : "polite");
    this.cine = runs ? setInterval(() => this.go((this.index + 1) % this.slices.length), CINE_MS) : null;
    this.show();
  }

  arrived(index) {
    one("arrived").textContent = this.pictures.arrived < this.slices.length ? `${this.pictures.arrived} / ${this.slices.length}` : "";
    if (index === this.index) this.show();
  }

  resize() {
    for (const pane of this.panes) if (!pane.canvas.hidden) pane.resize();
    this.draw();
  }

  show() {
    const { slice } = this;
    one("caption").textContent = this.words(slice);
    const slider = one("slider");
    if (slider) {
      slider.value = this.index;
      slider.setAttribute("aria-valuetext", this.words(slice));
    }
    this.tellState();
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  /** The controls, and attributes for whoever cannot see the canvas. */
  tellState() {
    const { center, width } = this.window;
    const preset = Object.entries(PRESETS).find(([, p]) => p.center === center && p.width === width);
    one("preset").value = preset ? preset[0] : "";
    one("center").value = center;
    one("width").value = width;
    one("toggle").checked = this.map.shown;
    one("opacity").value = Math.round(this.map.opacity * 100);
    one("threshold").value = Math.round(this.map.threshold * 100);
    one("invert").setAttribute("aria-pressed", String(this.view.inverted));
    one("cine").setAttribute("aria-pressed", String(this.cine !== null));
    one("beside").setAttribute("aria-pressed", String(this.beside));
    one("from-picture").hidden = isLung(this.window) || this.pictures.hasUnits(this.index);
    const told = { slice: this.index, window: `${center}/${width}`, zoom: this.view.zoom.toFixed(2), map: drawsMap(this.slice, this.maps, this.map) };
    Object.assign(this.stage.dataset, told);
    for (const pane of this.panes) pane.canvas.setAttribute("aria-label", this.words(this.slice));
  }

  draw() {
    const { maps, map, view } = this;
    const drawable = this.pictures.drawable(this.index, this.window);
    drawSlice(this.panes, this.slice, { drawable, maps, map, view });
    this.stage.dataset.drawn = drawable ? `${this.index}` : "";
  }

  words(slice) {
    const parts = [sentence("Slice {number} of {count}", { number: slice.index + 1, count: this.slices.length })];
    if (slice.z_mm !== null) parts.push(`${slice.z_mm.toFixed(1)} mm`);
    parts.push(slice.scored ? this.figures(slice) : sentence("not scored"));
    return parts.join(" · ");
  }

  figures({ probability, lung_found: found, evidence_in_lung: share }) {
    const told = { probability: chance(probability), share: percent(share) };
    return found
      ? sentence("probability {probability}, {share} of the evidence in the lungs", told)
      : sentence("probability {probability}, lungs not found", told);
  }

  listen() {
    one("slider")?.addEventListener("input", (event) => this.go(Number(event.target.value)));
    one("toggle").addEventListener("change", (event) => this.setMap({ shown: event.target.checked }));
    one("opacity").addEventListener("input", (event) => this.setMap({ opacity: Number(event.target.value) / 100 }));
    one("threshold").addEventListener("input", (event) => this.setMap({ threshold: Number(event.target.value) / 100 }));
    one("preset").addEventListener("change", (event) => {
      const preset = PRESETS[event.target.value];
      if (preset) this.setWindow(preset.center, preset.width);
    });
    for (const id of ["center", "width"]) {
      one(id).addEventListener("change", () => {
        const [center, width] = [one("center"), one("width")].map((field) => field.value);
        if (center === "" || width === "") this.tellState();
        else this.setWindow(Number(center), Number(width));
      });
    }
    const acts = {
      "zoom-in": () => this.zoomBy(1.25),
      "zoom-out": () => this.zoomBy(0.8),
      fit: () => this.fit(),
      invert: () => this.setView({ inverted: !this.view.inverted }),
      cine: () => this.setCine(this.cine === null),
      beside: () => this.setBeside(!this.beside),
      "previous-finding": () => this.goToFinding(-1),
      "next-finding": () => this.goToFinding(1),
    };
    for (const [id, act] of Object.entries(acts)) one(id)?.addEventListener("click", act);
  }
}
