// The result: slice viewer and probability curve, kept at the same slice.
import { drawCurve } from "./curve.js";
import { remember } from "./history.js";
import { enliven, one } from "./page.js";
import { Maps } from "./viewer/heat.js";
import { listenToKeys } from "./viewer/keys.js";
import { Viewer } from "./viewer/viewer.js";
import { tellWorth } from "./worth.js";

const root = one("exam");
remember(root.dataset.exam.split("/").pop());

/** What stands at an address; null where it cannot be had, and the page stays as the server drew it. */
async function jsonAt(address) {
  try {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

async function start() {
  const [report, maps] = await Promise.all([jsonAt(root.dataset.exam), jsonAt(`${root.dataset.exam}/maps`)]);
  if (!report) return;
  enliven();
  tellWorth();
  const { slices } = report;
  const viewer = new Viewer(report, maps && new Maps(maps.maps), Number(root.dataset.start));
  listenToKeys(viewer);
  const curve = one("curve") && drawCurve(one("curve"), slices, (index) => viewer.go(index));
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
