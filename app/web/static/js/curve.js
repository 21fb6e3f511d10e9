// Probability over the slices, clickable. uPlot comes from its own script.

/** Colors of the theme. */
function inks() {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  return {
    line: color("--pico-primary"),
    grid: color("--faint"),
    words: color("--pico-muted-color"),
    threshold: color("--mark"),
    here: color("--pico-h1-color"),
  };
}

function ruler(draw) {
  return { hooks: { draw: [draw] } };
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

/** Draw into `host`; `pick(index)` is called on a click. Returns {mark(index)}. */
export function drawCurve(host, slices, threshold, pick) {
  const ink = inks();
  const scored = slices.filter((slice) => slice.scored);
  let here = 0;
  const axis = { stroke: ink.words, grid: { stroke: ink.grid, width: 1 }, ticks: { stroke: ink.grid, width: 1 }, font: "12px system-ui" };
  const marks = ruler((plot) => {
    const { left, top, width, height } = plot.bbox;
    const y = plot.valToPos(threshold, "y", true);
    line(plot, [left, y], [left + width, y], ink.threshold, [6, 5]);
    const x = plot.valToPos(here, "x", true);
    line(plot, [x, top], [x, top + height], ink.here, []);
  });
  const options = {
    width: host.clientWidth,
    height: host.clientHeight,
    legend: { show: false },
    padding: [8, 12, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 8 } },
    scales: { x: { time: false, range: [1, Math.max(2, slices.length)] }, y: { range: [0, 1] } },
    axes: [
      { ...axis, size: 28, gap: 3 },
      { ...axis, size: 52, gap: 4, splits: [0, 0.25, 0.5, 0.75, 1], values: (_, marksAt) => marksAt.map((v) => `${v * 100} %`) },
    ],
    series: [{}, { stroke: ink.line, width: 2, points: { show: scored.length <= 80, size: 5, fill: ink.line } }],
    plugins: [marks],
  };
  host.replaceChildren();
  const plot = new window.uPlot(options, [scored.map((s) => s.index + 1), scored.map((s) => s.probability)], host);
  plot.over.addEventListener("click", () => {
    const at = Math.round(plot.posToVal(plot.cursor.left, "x")) - 1;
    pick(at);
  });
  new ResizeObserver(() => plot.setSize({ width: host.clientWidth, height: host.clientHeight })).observe(host);
  return {
    mark(index) {
      here = index + 1;
      plot.redraw(false, false);
    },
  };
}
