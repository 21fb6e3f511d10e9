// The result: slice viewer and probability curve, kept at the same slice.
import { drawCurve } from "./curve.js";
import { remember } from "./history.js";
import { enliven, one } from "./page.js";
import { leadBackTo } from "./preferences.js";
import { examIsGone, jsonAt, untilStarted } from "./service.js";
import { Maps } from "./viewer/heat.js";
import { listenToKeys } from "./viewer/keys.js";
import { Viewer } from "./viewer/viewer.js";
import { tellWorth } from "./worth.js";

/** A timer counts to 2 ** 31 and no further. */
const LONGEST_MS = 2 ** 31 - 1;
const root = one("exam");
remember(root.dataset.exam.split("/").pop());

async function start() {
  if (one("curve") && !window.uPlot) return false; // It did not come.
  const [report, maps] = await Promise.all([jsonAt(root.dataset.exam), jsonAt(`${root.dataset.exam}/maps`)]);
  if (!report || !maps) return false; // The page stays as the server drew it.
  enliven();
  tellWorth();
  const { slices } = report;
  const viewer = new Viewer(report, new Maps(maps.maps), {
    exam: root.dataset.exam,
    start: Number(root.dataset.start),
    gone: examIsGone,
  });
  watchExpiry(report, viewer);
  listenToKeys(viewer);
  const curve = one("curve") && drawCurve(one("curve"), slices, (index) => viewer.go(index));
  viewer.onMove = (index) => {
    curve?.mark(index);
    leadBackTo(`slice=${index}`);
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
  keepWhatIsWritten(one("comment"));
  wantComment(one("comment"));
  one("print").addEventListener("click", () => window.print());
  viewer.go(Number(root.dataset.start));
  return true;
}

/** A comment that is not taken, because the session ended or the service was away, is still there when the page is seen again. */
function keepWhatIsWritten(box) {
  const name = `covidct-comment-${root.dataset.exam}`;
  try {
    if (window.location.hash === "#reviews") sessionStorage.removeItem(name); // Where a comment that was taken leads.
    box.value ||= sessionStorage.getItem(name) ?? "";
    box.addEventListener("input", () => sessionStorage.setItem(name, box.value));
  } catch {
    // Storage is closed to this page.
  }
}

/** A comment of its own says something. */
function wantComment(box) {
  const opinions = box.form.querySelectorAll("[name=opinion]");
  const tell = () => { box.required = [...opinions].some((one) => one.checked && one.value === "comment"); };
  for (const opinion of opinions) opinion.addEventListener("change", tell);
  tell();
}

/** The exam may go while it is open: deleted elsewhere, or its time over. */
function watchExpiry({ expires_at: end }, viewer) {
  const left = new Date(end) - Date.now() + 1000;
  if (left < LONGEST_MS) setTimeout(() => viewer.losses.look(), Math.max(0, left));
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && viewer.losses.look());
}

untilStarted(start);
