// The result: slice viewer and probability curve, kept at the same slice.
import { drawCurve } from "./curve.js";
import { enliven, one } from "./page.js";
import { Viewer } from "./viewer.js";

const root = one("exam");

async function start() {
  const answer = await fetch(root.dataset.exam, { headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  const { slices } = await answer.json();
  enliven();
  const viewer = new Viewer(slices, Number(root.dataset.start));
  const threshold = root.dataset.imageThreshold === "" ? null : Number(root.dataset.imageThreshold);
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
