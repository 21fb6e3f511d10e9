// Follows an exam's events until it ends, then shows its result.
import { remember } from "./history.js";
import { enliven, one, percent } from "./page.js";

const STEPS = ["received", "waiting", "reading", "scoring"];

function show(step) {
  const at = STEPS.indexOf(step);
  for (const item of one("steps").children) {
    const place = STEPS.indexOf(item.dataset.step);
    item.className = place < at ? "done" : place === at ? "now" : "";
  }
}

enliven();
remember(one("course").dataset.events.split("/").at(-2));
const source = new EventSource(one("course").dataset.events);
source.addEventListener("received", () => show("waiting"));
source.addEventListener("reading", () => show("reading"));
source.addEventListener("scoring", (event) => {
  const { scored, to_score: all, probability } = JSON.parse(event.data);
  show("scoring");
  one("progress-bar").max = all;
  one("progress-bar").value = scored;
  one("progress-label").textContent = `Scored ${scored} of ${all} slices`;
  if (probability !== null) one("progress-figures").textContent = `so far ${percent(probability)}`;
});
for (const end of ["done", "refused", "failed", "expired"]) {
  source.addEventListener(end, () => {
    source.close();
    window.location.reload();
  });
}
source.addEventListener("error", () => {
  one("progress-word").textContent = "The connection is interrupted; trying again.";
});
source.addEventListener("open", () => {
  one("progress-word").textContent = "The page goes on by itself.";
});
