// Two exams at the same height: 0 at the first slice that was scored, 1 at the last, less and more beyond them.
import { chance, enliven, one } from "./page.js";
import { examIsGone, jsonAt, untilStarted } from "./service.js";
import { Leafing } from "./viewer/gestures.js";
import { Maps } from "./viewer/heat.js";
import { areKeys, isForText } from "./viewer/letters.js";
import { Losses } from "./viewer/losses.js";
import { MOVES } from "./viewer/moves.js";
import { Pane } from "./viewer/pane.js";
import { Pictures } from "./viewer/pictures.js";
import { MAP, STILL, drawSlice } from "./viewer/slice.js";
import { LUNG } from "./viewer/window.js";
import { sentence } from "./words.js";

class Side {
  constructor(figure, report, maps, words) {
    this.report = report;
    this.maps = maps;
    this.words = figure.querySelector(".where");
    this.pane = new Pane(figure.querySelector("canvas"), { withMap: true, words: { ...words, letters: figure.dataset.letters } });
    const scored = report.slices.filter((slice) => slice.scored).map((slice) => slice.index);
    [this.first, this.last] = [Math.min(...scored), Math.max(...scored)];
    this.pictures = new Pictures(report.slices, { arrived: () => this.draw(), missed: () => this.losses.note() });
    this.losses = new Losses(figure.dataset.exam, this.pictures, { gone: examIsGone, lost: () => {} });
    this.span = Math.max(1, this.last - this.first);
    this.index = this.first;
    this.map = { ...MAP };
    new ResizeObserver(() => {
      this.pane.resize();
      this.draw();
    }).observe(this.pane.canvas);
  }

  /** Heights of the exam's own first and last slice. */
  get ends() {
    return [-this.first / this.span, (this.report.slices.length - 1 - this.first) / this.span];
  }

  go(height) {
    const at = Math.round(this.first + height * this.span);
    this.index = Math.min(this.report.slices.length - 1, Math.max(0, at));
    this.pictures.approach(this.index);
    const slice = this.report.slices[this.index];
    const place = { number: this.index + 1, count: this.report.slices.length };
    this.words.textContent = slice.scored
      ? sentence("slice {number} of {count}, probability {probability}", { ...place, probability: chance(slice.probability) })
      : sentence("slice {number} of {count}", place);
    this.draw();
  }

  draw() {
    const { maps, map } = this;
    const drawable = this.pictures.drawable(this.index, LUNG);
    drawSlice([this.pane], this.report.slices[this.index], { drawable, maps, map, view: STILL });
  }
}

async function sideOf(figure, words) {
  const address = figure.dataset.exam;
  const [report, maps] = await Promise.all([address, `${address}/maps`].map(jsonAt));
  return report && maps && new Side(figure, report, new Maps(maps.maps), words);
}

async function start() {
  const host = one("both");
  const sides = await Promise.all([...host.querySelectorAll("figure")].map((figure) => sideOf(figure, { ...host.dataset })));
  if (!sides.every(Boolean)) return false; // The page stays as the server drew it.
  enliven();
  const slider = one("height");
  const longest = Math.max(...sides.map((side) => side.span));
  slider.min = 1000 * Math.min(...sides.map((side) => side.ends[0]));
  slider.max = 1000 * Math.max(...sides.map((side) => side.ends[1]));
  const go = (value) => {
    slider.value = Math.min(slider.max, Math.max(slider.min, value));
    for (const side of sides) side.go(Number(slider.value) / 1000);
  };
  // In whole slices of the longer one, so that none is passed over.
  const goTo = (slice) => go((slice * 1000) / longest);
  const step = (by) => goTo(Math.round((Number(slider.value) * longest) / 1000) + by);
  const showMaps = (shown) => {
    one("maps").checked = shown;
    for (const side of sides) {
      side.map.shown = shown;
      side.draw();
    }
  };
  slider.step = "any";
  slider.addEventListener("input", () => go(Number(slider.value)));
  one("maps").addEventListener("change", (event) => showMaps(event.target.checked));
  new Leafing(host, step);
  document.addEventListener("keydown", (event) => {
    if (isForText(event)) return;
    if (event.key === "o" && areKeys()) showMaps(!one("maps").checked);
    if (event.target !== host || !(event.key in MOVES)) return;
    event.preventDefault();
    step(MOVES[event.key]);
  });
  goTo(Math.round(longest / 2));
  return true;
}

untilStarted(start);
