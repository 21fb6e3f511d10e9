// How far a diagnosis has come, on the page of an exam and below the form.
import { chance, one } from "./page.js";
import { sentence } from "./words.js";

const STAGES = ["received", "waiting", "reading", "scoring"];

/** Have a stage read out, once. */
function tell(stage) {
  const said = one("course-said");
  if (said.textContent !== stage) said.textContent = stage;
}

/** Show a stage; of scoring, ``progress``: { scored, to_score, probability }. */
export function showStage(stage, progress) {
  const at = STAGES.indexOf(stage);
  for (const item of one("steps").children) {
    const place = STAGES.indexOf(item.dataset.step);
    item.className = place < at ? "done" : place === at ? "now" : "";
    if (place === at) {
      item.setAttribute("aria-current", "step");
      tell(item.textContent);
    } else {
      item.removeAttribute("aria-current");
    }
  }
  if (stage !== "scoring" || !progress) return;
  const { scored, to_score: all, probability } = progress;
  one("course-bar").max = all;
  one("course-bar").value = scored;
  one("course-label").textContent = sentence("Scored {scored} of {count} slices", { scored, count: all });
  one("course-figures").textContent = probability === null || probability === undefined
    ? ""
    : sentence("so far {probability}", { probability: chance(probability) });
}
