// Whether the service answers. While it does not, the page says so, keeps what it has, and asks until it is back.
import { one } from "./page.js";

const [FIRST_MS, MOST_MS, SHOWN_MS] = [1000, 10_000, 4000];
/** What stands between a browser and a service that is away says so in these. */
const BETWEEN = [502, 504];
const returns = [];
let pause = 0;

export const isAway = () => pause > 0;

/** Have ``callback`` called each time the service is back. */
export function onReturn(callback) {
  returns.push(callback);
}

/** Note that the service did not answer. */
export function away() {
  if (isAway()) return;
  pause = FIRST_MS;
  say("gone");
  setTimeout(askAgain, pause);
}

/** What the service answers; null where it does not, and then the page has said so. */
export async function ask(address, options) {
  try {
    const answer = await fetch(address, { ...options, headers: { "Accept-Language": document.documentElement.lang } });
    if (!BETWEEN.includes(answer.status)) return answer;
  } catch (fault) {
    if (fault.name === "AbortError") throw fault;
  }
  away();
  return null;
}

async function answers() {
  try {
    return (await fetch("/livez", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

async function askAgain() {
  if (!isAway()) return;
  if (await answers()) {
    pause = 0;
    say("back");
    for (const callback of returns) callback();
  } else {
    pause = Math.min(MOST_MS, 2 * pause);
    setTimeout(askAgain, pause);
  }
}

function say(state) {
  const host = one("service");
  host.hidden = false;
  for (const words of host.children) words.hidden = words.dataset.state !== state;
  if (state === "back") setTimeout(() => { host.hidden = !isAway(); }, SHOWN_MS);
}

/** A form is sent once it is known that someone is there to take it: else the browser would put its own page over ours. */
const asked = new WeakSet();
const sure = new WeakSet();

document.addEventListener("submit", async (event) => {
  const { target: form, submitter } = event;
  if (event.defaultPrevented || form.method === "dialog" || sure.has(form)) return;
  event.preventDefault();
  if (asked.has(form)) return;
  asked.add(form);
  if (await answers()) {
    sure.add(form);
    form.requestSubmit(submitter);
  } else {
    away();
  }
  asked.delete(form);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (link && isAway() && !link.getAttribute("href").startsWith("#")) event.preventDefault();
});

window.addEventListener("offline", away);
