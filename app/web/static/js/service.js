// Whether the service answers. While it does not, the page says so, keeps what it has, and asks until it is back.
import { one } from "./page.js";

const [FIRST_MS, MOST_MS, SHOWN_MS] = [1000, 5000, 4000];
/** What stands between a browser and a service that is away says so in these. */
const BETWEEN = [502, 504];
const returns = new Set();
let pause = 0;
let isTroubled = false;
let isGone = false;

export const isAway = () => pause > 0;

/** Have ``callback`` called each time the service is back. Returns a function that ends it. */
export function onReturn(callback) {
  returns.add(callback);
  return () => returns.delete(callback);
}

/** Note that the service did not answer. */
export function away() {
  if (isAway()) return;
  pause = FIRST_MS;
  say("gone");
  setTimeout(askAgain, pause);
}

/** What every request of ours carries: the language, and where someone is signed in what tells that a page of ours asks. */
export function ours() {
  const csrf = document.querySelector('meta[name="csrf"]')?.content;
  return { "Accept-Language": document.documentElement.lang, ...(csrf && { "X-CSRF-Token": csrf }) };
}

/** The session is over: to the form, and from there back here. */
export function signIn() {
  const { pathname, search } = window.location;
  window.location.assign(`/covid/sign-in?back=${encodeURIComponent(pathname + search)}`);
}

/** What the service answers; null where it does not, and then the page has said so. */
export async function ask(address, options) {
  const headers = { ...ours(), ...options?.headers };
  try {
    const answer = await fetch(address, { ...options, headers });
    if (answer.status === 401) signIn();
    if (!BETWEEN.includes(answer.status)) return answer;
  } catch (fault) {
    if (fault.name === "AbortError") throw fault;
  }
  away();
  return null;
}

/** What an answer says; null where it breaks off. */
export async function said(answer) {
  try {
    return await answer.json();
  } catch {
    return null;
  }
}

/** Note whether the service answers with errors, again and again. */
export function troubled(isSo) {
  if (isTroubled === isSo) return;
  isTroubled = isSo;
  if (!isAway()) say(isSo ? "troubled" : "back");
}

/** What stands at an address; null where it cannot be had. */
export async function jsonAt(address) {
  const answer = await ask(address, { headers: { Accept: "application/json" } });
  if (!answer?.ok) return null;
  const found = await said(answer);
  if (found === null) away(); // It broke off.
  return found;
}

/** Run ``start``, and again when the service is back, until it gives true. */
export async function untilStarted(start) {
  if (await start()) return;
  const forget = onReturn(async () => {
    if (await start()) forget();
  });
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
    isTroubled = false;
    say("back");
    for (const callback of [...returns]) callback();
  } else {
    pause = Math.min(MOST_MS, 2 * pause);
    setTimeout(askAgain, pause);
  }
}

/** Note that the exam of this page is no longer kept, and switch off what would be about it. */
export function examIsGone() {
  isGone = true;
  for (const field of document.querySelectorAll(".of-exam")) field.disabled = true;
  say("expired");
}

function say(state) {
  const host = one("service");
  host.hidden = false;
  const shown = state === "back" && isGone ? "expired" : state;
  for (const words of host.children) words.hidden = words.dataset.state !== shown;
  if (shown === "back") setTimeout(() => { host.hidden = !isAway() && !isGone && !isTroubled; }, SHOWN_MS);
}

/** A form is sent once it is known that someone is there to take it: else the browser would put its own page over ours. */
const asked = new WeakSet();
const sure = new WeakSet();
let leaving = false;

/** Whether a form is on its way: a page that renews itself now would take it back. */
export const isLeaving = () => leaving;
window.addEventListener("pageshow", () => { leaving = false; });

document.addEventListener("submit", async (event) => {
  const { target: form, submitter } = event;
  if (event.defaultPrevented || form.method === "dialog" || sure.has(form)) return;
  event.preventDefault();
  if (asked.has(form)) return;
  asked.add(form);
  leaving = true;
  if (await answers()) {
    sure.add(form);
    if (new URL(form.action).pathname === "/covid/sign-out") forgetDrafts();
    form.requestSubmit(submitter);
  } else {
    leaving = false;
    away();
  }
  asked.delete(form);
});

/** What was written and not sent is not for who signs in next. */
function forgetDrafts() {
  try {
    sessionStorage.clear();
  } catch {
    // Storage is closed to this page: there are none.
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (link && isAway() && !link.getAttribute("href").startsWith("#")) event.preventDefault();
});

window.addEventListener("offline", away);
