// Exams of this browser: ids alone are remembered, what they came to is asked for anew.
import { one, percent } from "./page.js";

const KEY = "covidct-exams";
const MOST = 12;
const WORDS = { COVID_19: "COVID-19 found", NON_COVID_19: "COVID-19 not found", INCONCLUSIVE: "Inconclusive" };
const STATES = { queued: "waiting", running: "in progress", refused: "refused", failed: "failed" };

function remembered() {
  try {
    const ids = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(ids) ? ids.filter((id) => /^[0-9a-f]{32}$/.test(id)).slice(0, MOST) : [];
  } catch {
    return [];
  }
}

function keep(ids) {
  try {
    localStorage.setItem(KEY, JSON.stringify(ids.slice(0, MOST)));
  } catch {
    // Storage is closed to this page: there is no list then.
  }
}

export function remember(id) {
  keep([id, ...remembered().filter((other) => other !== id)]);
}

/** An exam as it stands; null where it is gone, undefined where that cannot be told. */
async function exam(id) {
  try {
    const answer = await fetch(`/api/v1/exams/${id}`);
    if (answer.status === 404 || answer.status === 410) return null;
    return answer.ok ? await answer.json() : undefined;
  } catch {
    return undefined;
  }
}

function row(report) {
  const item = document.createElement("li");
  const pick = document.createElement("input");
  pick.type = "checkbox";
  pick.value = report.id;
  pick.disabled = report.status !== "done";
  pick.setAttribute("aria-label", "Set beside another");
  const link = document.createElement("a");
  link.href = `/covid/exams/${report.id}`;
  link.textContent = report.status === "done" ? `${WORDS[report.verdict]}, ${percent(report.probability)}` : STATES[report.status];
  const when = document.createElement("span");
  when.className = "when";
  const slices = report.slices ? ` · ${report.slices.length} slices` : "";
  when.textContent = ` ${new Date(report.created_at).toLocaleString()}${slices}`;
  item.append(pick, link, when);
  return item;
}

/** Two that are picked, the one picked first first, become the form's fields. */
function letPick() {
  let picked = [];
  one("history-list").addEventListener("change", ({ target }) => {
    picked = [...picked.filter((pick) => pick !== target), ...(target.checked ? [target] : [])];
    if (picked.length > 2) picked.shift().checked = false;
    for (const pick of one("history-list").querySelectorAll("input")) {
      pick.name = ["first", "second"][picked.indexOf(pick)] ?? "";
    }
    one("history-beside").disabled = picked.length !== 2;
  });
}

export async function showHistory() {
  const host = one("history");
  const ids = remembered();
  const found = await Promise.all(ids.map(exam));
  keep(ids.filter((_, k) => found[k] !== null));
  const there = found.filter((report) => report && report.status !== "expired");
  host.hidden = there.length === 0;
  one("history-list").replaceChildren(...there.map(row));
  letPick();
  one("history-forget").addEventListener("click", () => {
    keep([]);
    host.hidden = true;
  });
}
