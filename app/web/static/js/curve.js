// Probability over the slices, clickable. uPlot comes from its own script.
import { chance, one } from "./page.js";
import { sentence } from "./words.js";

/** Colors of the theme. */
function inks() {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  return {
    line: color("--pico-primary"),
    grid: color("--faint"),
    words: color("--pico-muted-color"),
    threshold: color("--mark"),
    band: color("--band"),
    here: color("--pico-h1-color"),
  };
}

function line(plot, from, to, color, dash) {
  const { ctx } = plot;
  ctx.save();
  ctx.strokeStyle = color;
  ctx.lineWidth = window.devicePixelRatio;
  ctx.setLineDash(dash.map((length) => length * window.devicePixelRatio));
  ctx.beginPath();
  ctx.moveTo(...from);
  ctx.lineTo(...to);
  ctx.stroke();
  ctx.restore();
}

/** Where a slice's own probability says little; under the curve. */
function drawBand(plot, [low, high], color) {
  const { ctx, bbox } = plot;
  const [top, bottom] = [plot.valToPos(high, "y", true), plot.valToPos(low, "y", true)];
  ctx.save();
  ctx.globalAlpha = 0.45;
  ctx.fillStyle = color;
  ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
  ctx.restore();
}

function dot(plot, x, y, color) {
  const { ctx } = plot;
  ctx.save();
  ctx.fillStyle = color;
  ctx.beginPath();
  ctx.arc(x, y, 4.5 * window.devicePixelRatio, 0, 2 * Math.PI);
  ctx.fill();
  ctx.restore();
}

/** Probabilities as uPlot joins them: over an undefined one, not over a null, where more slices than usual were not scored. */
function joined(slices, widestStep) {
  let before = null;
  const values = slices.map((slice) => (slice.scored ? slice.probability : undefined));
  slices.filter((slice) => slice.scored).forEach(({ index }) => {
    if (before !== null && index - before > widestStep) values[before + 1] = null;
    before = index;
  });
  return values;
}

/** Draw into `host`, whose data say threshold, band and what is joined; `pick(index)` is called on a click. Returns {mark(index)}. */
export function drawCurve(host, slices, pick) {
  let ink = inks();
  const threshold = Number(host.dataset.threshold);
  const band = host.dataset.band ? JSON.parse(host.dataset.band) : null;
  const values = joined(slices, Number(host.dataset.widestStep));
  let here = 0;
  const unscored = sentence("not scored");
  const at = (index) => sentence("{slice}: {probability}", {
    slice: index + 1, probability: slices[index].scored ? chance(slices[index].probability) : unscored,
  });
  const grid = { stroke: () => ink.grid, width: 1 };
  const axis = { stroke: () => ink.words, grid, ticks: grid, font: "12px system-ui" };
  const marks = (plot) => {
    const { left, top, width, height } = plot.bbox;
    const y = plot.valToPos(threshold, "y", true);
    line(plot, [left, y], [left + width, y], ink.threshold, [6, 5]);
    const x = plot.valToPos(here + 1, "x", true);
    line(plot, [x, top], [x, top + height], ink.here, []);
    if (slices[here].scored) dot(plot, x, plot.valToPos(slices[here].probability, "y", true), ink.here);
  };
  const under = (plot) => {
    const index = plot.cursor.left >= 0 ? Math.round(plot.posToVal(plot.cursor.left, "x")) - 1 : -1;
    one("curve-at").textContent = index >= 0 && index < slices.length ? at(index) : "";
  };
  const options = {
    width: host.clientWidth,
    height: host.clientHeight,
    legend: { show: false },
    padding: [8, 12, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: { x: { time: false, range: [1, Math.max(2, slices.length)] }, y: { range: [0, 1] } },
    axes: [
      { ...axis, size: 28, gap: 3, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500] },
      { ...axis, size: 52, gap: 4, splits: [0, 0.25, 0.5, 0.75, 1], values: (_, marksAt) => marksAt.map((v) => `${v * 100} %`) },
    ],
    series: [{}, { stroke: () => ink.line, width: 1.5, points: { show: true, size: slices.length > 160 ? 3 : 5, fill: () => ink.line } }],
    hooks: { drawClear: [(plot) => band && drawBand(plot, band, ink.band)], draw: [marks], setCursor: [under] },
  };
  const plot = new window.uPlot(options, [slices.map((slice) => slice.index + 1), values], host);
  plot.root.setAttribute("role", "img");
  plot.root.setAttribute("aria-label", host.querySelector("svg").getAttribute("aria-label"));
  plot.over.addEventListener("click", () => pick(Math.round(plot.posToVal(plot.cursor.left, "x")) - 1));
  new MutationObserver(() => {
    ink = inks();
    plot.redraw(false, false);
  }).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  new ResizeObserver(() => plot.setSize({ width: host.clientWidth, height: host.clientHeight })).observe(host);
  return {
    mark(index) {
      here = index;
      host.dataset.here = index;
      plot.redraw(false, false);
    },
  };
}
