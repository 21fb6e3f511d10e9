// Keys of the viewer; those that browsers and screen readers use themselves work on the stage alone.
import { one } from "../page.js";
import { MOVES } from "./moves.js";
import { PRESETS } from "./window.js";

const PAN = 40;

const PANS = { ArrowDown: [0, -PAN], ArrowUp: [0, PAN], ArrowLeft: [PAN, 0], ArrowRight: [-PAN, 0] };

export function listenToKeys(viewer) {
  const anywhere = {
    o: () => viewer.setMap({ shown: !viewer.map.shown }),
    "[": () => viewer.setMap({ opacity: Math.max(0, viewer.map.opacity - 0.1) }),
    "]": () => viewer.setMap({ opacity: Math.min(1, viewer.map.opacity + 0.1) }),
    n: () => viewer.goToFinding(1),
    p: () => viewer.goToFinding(-1),
    i: () => viewer.setView({ inverted: !viewer.view.inverted }),
    f: () => viewer.fit(),
    s: () => viewer.setBeside(!viewer.beside),
    "+": () => viewer.zoomBy(1.25),
    "-": () => viewer.zoomBy(0.8),
    "?": () => one("help").showModal(),
  };
  for (const [key, { center, width }] of Object.entries(PRESETS)) anywhere[key] = () => viewer.setWindow(center, width);

  one("help-open").addEventListener("click", () => one("help").showModal());
  document.addEventListener("keydown", (event) => {
    const types = event.target.matches("input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select");
    if (types || event.ctrlKey || event.metaKey || event.altKey || one("help").open) return;
    if (event.target === one("stage") && onStage(viewer, event)) {
      event.preventDefault();
      return;
    }
    anywhere[event.key]?.();
  });
}

function onStage(viewer, event) {
  if (event.shiftKey && event.key in PANS) {
    const [dx, dy] = PANS[event.key];
    viewer.setView({ x: viewer.view.x + dx, y: viewer.view.y + dy });
  } else if (event.key in MOVES) {
    viewer.step(MOVES[event.key]);
  } else if (event.key === " ") {
    viewer.setCine(viewer.cine === null);
  } else {
    return false;
  }
  return true;
}
