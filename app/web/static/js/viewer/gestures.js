// Wheel and pointers on the stage. One finger leafs, two zoom and move; the mouse drags the window, with shift the picture.

const UNITS_A_PIXEL = 4;
const LEAF_PIXELS = 12;

export class Gestures {
  constructor(stage, viewer) {
    this.viewer = viewer;
    this.pointers = new Map();
    this.leafed = 0;
    this.turned = 0;
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.down(event, stage));
    stage.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      stage.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
    }
    stage.addEventListener("dblclick", () => viewer.fit());
  }

  /** A notch of a wheel is a slice; of a touch pad, whose steps are small, some of them together. */
  wheel(event) {
    event.preventDefault();
    if (event.ctrlKey) {
      this.viewer.zoomBy(Math.exp(-event.deltaY / 300));
      return;
    }
    this.turned += event.deltaMode === 0 ? event.deltaY / 40 : event.deltaY;
    const steps = Math.abs(event.deltaY) >= 40 || event.deltaMode !== 0 ? Math.sign(event.deltaY) : Math.trunc(this.turned);
    if (steps) {
      this.turned = 0;
      this.viewer.step(steps);
    }
  }

  down(event, stage) {
    stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, button: event.button });
    this.leafed = 0;
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const [dx, dy] = [event.clientX - before.x, event.clientY - before.y];
    const spread = this.spread();
    Object.assign(before, { x: event.clientX, y: event.clientY });
    if (this.pointers.size === 2) this.pinch(dx / 2, dy / 2, this.spread() / spread);
    else if (event.pointerType === "touch") this.leaf(dy);
    else if (event.shiftKey || before.button === 1) this.pan(dx, dy);
    else if (before.button === 0) this.slide(dx, dy);
  }

  spread() {
    const [a, b] = [...this.pointers.values()];
    return b ? Math.max(1, Math.hypot(a.x - b.x, a.y - b.y)) : 1;
  }

  pinch(dx, dy, factor) {
    this.viewer.zoomBy(factor);
    this.pan(dx, dy);
  }

  pan(dx, dy) {
    const { view } = this.viewer;
    this.viewer.setView({ x: view.x + dx, y: view.y + dy });
  }

  leaf(dy) {
    this.leafed += dy / LEAF_PIXELS;
    const steps = Math.trunc(this.leafed);
    if (steps) {
      this.leafed -= steps;
      this.viewer.step(steps);
    }
  }

  slide(dx, dy) {
    const { center, width } = this.viewer.window;
    this.viewer.setWindow(center + dy * UNITS_A_PIXEL, width + dx * UNITS_A_PIXEL);
  }
}
