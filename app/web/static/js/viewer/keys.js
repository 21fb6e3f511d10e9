// Keys of the viewer; those that browsers and screen readers use themselves work on the stage alone, and the others can be turned
// off, for who dictates speaks letters.
import { one } from "../page.js";
import { areKeys, chooseLetters, isForText } from "./letters.js";
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

  one("letters").checked = areKeys();
  one("letters").addEventListener("change", (event) => chooseLetters(event.target.checked ? "on" : "off"));
  one("help-open").addEventListener("click", () => one("help").showModal());
  document.addEventListener("keydown", (event) => {
    if (isForText(event) || one("help").open) return;
    if (event.target === one("stage") && onStage(viewer, event)) {
      event.preventDefault();
      return;
    }
    if (one("letters").checked) anywhere[event.key]?.();
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
