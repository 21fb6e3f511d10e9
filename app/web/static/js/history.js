// Exams of this browser: ids alone are remembered, what they came to is asked for anew.
import { chance, one } from "./page.js";
import { ask, said } from "./service.js";
import { counted, locale, sentence } from "./words.js";

const KEY = "covidct-exams";
const MOST = 12;
const WORDS = { COVID_19: sentence("Model: COVID-19"), NON_COVID_19: sentence("Model: not COVID-19"), INCONCLUSIVE: sentence("Inconclusive") };
const STATES = { queued: sentence("waiting"), running: sentence("in progress"), refused: sentence("refused"), failed: sentence("failed") };

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

/** Where someone is signed in the service keeps the list, and the browser none. */
const isListed = () => document.querySelector('meta[name="csrf"]') !== null;

export function remember(id) {
  if (isListed()) return;
  keep([id, ...remembered().filter((other) => other !== id)]);
}

/** An exam as it stands; null where it is gone, undefined where that cannot be told. */
async function exam(id) {
  const answer = await ask(`/api/v1/exams/${id}`);
  if (answer === null) return undefined;
  if (answer.status === 404 || answer.status === 410) return null;
  return answer.ok ? ((await said(answer)) ?? undefined) : undefined;
}

/** What stands where an exam will: nothing jumps once it is known. */
function place() {
  const item = document.createElement("li");
  item.className = "skeleton";
  return item;
}

function row(report) {
  const item = document.createElement("li");
  const pick = document.createElement("input");
  pick.type = "checkbox";
  pick.value = report.id;
  pick.disabled = report.status !== "done";
  const link = document.createElement("a");
  link.href = `/covid/exams/${report.id}`;
  link.textContent = report.status === "done" ? sentence("{verdict}, {probability}", { verdict: WORDS[report.verdict], probability: chance(report.probability) }) : STATES[report.status];
  const when = document.createElement("span");
  when.className = "when";
  const parts = [new Date(report.created_at).toLocaleString(locale)];
  pick.setAttribute("aria-label", sentence("Set beside another: {exam}", { exam: `${link.textContent} · ${parts[0]}` }));
  if (report.slices) parts.push(counted("{count} slice", "{count} slices", { count: report.slices.length }));
  if (report.input?.synthetic) parts.push(sentence("synthetic example"));
  when.textContent = ` ${parts.join(" · ")}`;
  item.append(pick, link, when);
  return item;
}

/** Two that are picked, the one picked first first, become the form's fields. */
function letPick() {
  let picked = [];
  one("history-list").addEventListener("change", ({ target }) => {
    picked = [...picked.filter((pick) => pick !== target && pick.isConnected), ...(target.checked ? [target] : [])];
    if (picked.length > 2) picked.shift().checked = false;
    for (const pick of one("history-list").querySelectorAll("input")) {
      pick.name = ["first", "second"][picked.indexOf(pick)] ?? "";
    }
    one("history-beside").disabled = picked.length !== 2;
  });
}

let isListening = false;

function listen() {
  if (isListening) return;
  isListening = true;
  letPick();
  one("history-forget").addEventListener("click", () => {
    keep([]);
    one("history").hidden = true;
  });
}

export async function showHistory() {
  if (isListed()) return;
  const [host, list] = [one("history"), one("history-list")];
  const ids = remembered();
  host.hidden = ids.length === 0;
  if (!list.children.length) list.replaceChildren(...ids.map(place));
  listen();
  const found = await Promise.all(ids.map(exam));
  if (found.includes(undefined)) return; // Asked again when the service is back.
  // Others may have been added meanwhile.
  const gone = new Set(ids.filter((_, k) => found[k] === null));
  keep(remembered().filter((id) => !gone.has(id)));
  const there = found.filter(Boolean);
  host.hidden = there.length === 0;
  list.replaceChildren(...there.map(row));
  one("history-beside").disabled = true;
}
