// Wheel and pointers on pictures. One finger leafs, two zoom and move; the mouse drags the window, with shift the picture.

const UNITS_A_PIXEL = 4;
const LEAF_PIXELS = 12;

/** Goes through slices by the wheel and by one finger. */
export class Leafing {
  constructor(stage, step) {
    this.step = step;
    this.pointers = new Map();
    this.leafed = 0;
    this.turned = 0;
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.down(event, stage));
    stage.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      stage.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
    }
  }

  /** A notch of a wheel is a slice; of a touch pad, whose steps are small, some of them together. */
  wheel(event) {
    if (event.ctrlKey) return;
    event.preventDefault();
    this.turned += event.deltaMode === 0 ? event.deltaY / 40 : event.deltaY;
    const steps = Math.abs(event.deltaY) >= 40 || event.deltaMode !== 0 ? Math.sign(event.deltaY) : Math.trunc(this.turned);
    if (steps) {
      this.turned = 0;
      this.step(steps);
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
    this.moved(event, { dx, dy, button: before.button, factor: this.spread() / spread });
  }

  spread() {
    const [a, b] = [...this.pointers.values()];
    return b ? Math.max(1, Math.hypot(a.x - b.x, a.y - b.y)) : 1;
  }

  moved(event, { dy }) {
    if (event.pointerType === "touch" && this.pointers.size === 1) this.leaf(dy);
  }

  leaf(dy) {
    this.leafed += dy / LEAF_PIXELS;
    const steps = Math.trunc(this.leafed);
    if (steps) {
      this.leafed -= steps;
      this.step(steps);
    }
  }
}

/** All that moves and changes what a viewer shows. */
export class Gestures extends Leafing {
  constructor(stage, viewer) {
    super(stage, (by) => viewer.step(by));
    this.viewer = viewer;
    stage.addEventListener("dblclick", () => viewer.fit());
  }

  wheel(event) {
    super.wheel(event);
    if (!event.ctrlKey) return;
    event.preventDefault();
    this.viewer.zoomBy(Math.exp(-event.deltaY / 300));
  }

  moved(event, { dx, dy, button, factor }) {
    if (this.pointers.size === 2) this.pinch(dx / 2, dy / 2, factor);
    else if (event.pointerType === "touch") this.leaf(dy);
    else if (event.shiftKey || button === 1) this.pan(dx, dy);
    else if (button === 0) this.slide(dx, dy);
  }

  pinch(dx, dy, factor) {
    this.viewer.zoomBy(factor);
    this.pan(dx, dy);
  }

  pan(dx, dy) {
    const { view } = this.viewer;
    this.viewer.setView({ x: view.x + dx, y: view.y + dy });
  }

  slide(dx, dy) {
    const { center, width } = this.viewer.window;
    this.viewer.setWindow(center + dy * UNITS_A_PIXEL, width + dx * UNITS_A_PIXEL);
  }
}
