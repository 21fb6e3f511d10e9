// The result: slice viewer and probability curve, kept at the same slice.
import { drawCurve } from "./curve.js";
import { enliven, one } from "./page.js";
import { Viewer } from "./viewer.js";
import { tellWorth } from "./worth.js";

const root = one("exam");

/** The exam's slices; null where they cannot be had, and the page stays as the server drew it. */
async function slicesOf(address) {
  try {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    return answer.ok ? (await answer.json()).slices : null;
  } catch {
    return null;
  }
}

async function start() {
  const slices = await slicesOf(root.dataset.exam);
  if (!slices) return;
  enliven();
  tellWorth();
  const viewer = new Viewer(slices, Number(root.dataset.start));
  const threshold = Number(root.dataset.imageThreshold);
  const curve = one("curve") && drawCurve(one("curve"), slices, threshold, (index) => viewer.go(index));
  viewer.onMove = (index) => {
    curve?.mark(index);
    for (const link of document.querySelectorAll("a[data-slice]")) {
      if (Number(link.dataset.slice) === index) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };
  for (const link of document.querySelectorAll("a[data-slice]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      viewer.go(Number(link.dataset.slice));
      one("viewer").scrollIntoView({ block: "nearest" });
    });
  }
  viewer.go(Number(root.dataset.start));
}

start();
