// Two exams at the same height, from the first slice with lung to the last.
import { enliven, one, percent } from "./page.js";
import { Maps } from "./viewer/heat.js";
import { Pane } from "./viewer/pane.js";
import { Pictures } from "./viewer/pictures.js";
import { LUNG } from "./viewer/window.js";
import { sentence } from "./words.js";

const STILL = { zoom: 1, x: 0, y: 0, inverted: false };
const [OPACITY, THRESHOLD] = [0.65, 0];

class Side {
  constructor(figure, report, maps, notice) {
    this.report = report;
    this.maps = maps;
    this.words = figure.querySelector(".where");
    this.pane = new Pane(figure.querySelector("canvas"), { withMap: true, notice });
    const scored = report.slices.filter((slice) => slice.scored).map((slice) => slice.index);
    [this.first, this.last] = [Math.min(...scored), Math.max(...scored)];
    this.pictures = new Pictures(report.slices, () => this.draw());
    this.index = this.first;
    this.withMap = true;
    new ResizeObserver(() => {
      this.pane.resize();
      this.draw();
    }).observe(this.pane.canvas);
  }

  go(height) {
    this.index = Math.round(this.first + height * (this.last - this.first));
    this.pictures.approach(this.index);
    const slice = this.report.slices[this.index];
    const place = { number: this.index + 1, count: this.report.slices.length };
    this.words.textContent = slice.scored
      ? sentence("slice {number} of {count}, probability {probability}", { ...place, probability: percent(slice.probability) })
      : sentence("slice {number} of {count}", place);
    this.draw();
  }

  draw() {
    const picture = this.pictures.drawable(this.index, LUNG);
    const spacing = this.report.slices[this.index].pixel_spacing_mm;
    const shape = { width: picture?.naturalWidth ?? 1, height: picture?.naturalHeight ?? 1, tall: spacing ? spacing[0] / spacing[1] : 1 };
    const drawsMap = this.withMap && this.maps.has(this.index);
    const overlay = drawsMap ? { canvas: this.maps.draw(this.index, OPACITY, THRESHOLD), box: this.maps.box(this.index) } : null;
    this.pane.draw({ picture, shape, view: STILL, overlay, spacing: spacing?.[1] ?? null });
  }
}

async function sideOf(figure, notice) {
  const address = figure.dataset.exam;
  const [report, maps] = await Promise.all([address, `${address}/maps`].map(async (one) => (await fetch(one)).json()));
  return new Side(figure, report, new Maps(maps.maps), notice);
}

async function start() {
  const host = one("both");
  let sides;
  try {
    sides = await Promise.all([...host.querySelectorAll("figure")].map((figure) => sideOf(figure, host.dataset.notice)));
  } catch {
    return; // The page stays as the server drew it.
  }
  enliven();
  const slider = one("height");
  const longest = Math.max(1, ...sides.map((side) => side.last - side.first));
  const go = (value) => {
    slider.value = Math.min(1000, Math.max(0, value));
    for (const side of sides) side.go(Number(slider.value) / 1000);
  };
  const step = (by) => go(Number(slider.value) + (by * 1000) / longest);
  const showMaps = (shown) => {
    one("maps").checked = shown;
    for (const side of sides) {
      side.withMap = shown;
      side.draw();
    }
  };
  slider.step = "any";
  slider.addEventListener("input", () => go(Number(slider.value)));
  one("maps").addEventListener("change", (event) => showMaps(event.target.checked));
  host.addEventListener("wheel", (event) => {
    if (event.ctrlKey) return;
    event.preventDefault();
    step(Math.sign(event.deltaY));
  }, { passive: false });
  const moves = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "o") showMaps(!one("maps").checked);
    if (event.target !== host || !(event.key in moves)) return;
    event.preventDefault();
    step(moves[event.key]);
  });
  go(500);
}

start();
