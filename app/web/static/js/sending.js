// An upload with its speed, and an answer that is one of ours or says that there was none.

import { ours, signIn } from "./service.js";
import { sentence } from "./words.js";

const RECENT_MS = 3000;

/** How fast bytes went of late: whoever looks wants to know when it will be over, not how it began. */
class Speed {
  constructor() {
    this.seen = [{ at: performance.now(), loaded: 0 }];
  }

  /** Bytes a second, after ``loaded`` have gone. */
  after(loaded) {
    const now = performance.now();
    this.seen.push({ at: now, loaded });
    while (this.seen.length > 2 && now - this.seen[0].at > RECENT_MS) this.seen.shift();
    const [first] = this.seen;
    return (1000 * (loaded - first.loaded)) / Math.max(1, now - first.at);
  }
}

/** Have the browser ask before the page is left: what was sent so far would be lost. */
const askFirst = (event) => event.preventDefault();

/** The same for the next time that the page is left. With ``once`` Chromium takes the listener away before it asks. */
export function askOnce() {
  const ask = (event) => {
    event.preventDefault();
    setTimeout(() => window.removeEventListener("beforeunload", ask));
  };
  window.addEventListener("beforeunload", ask);
}

/** Names this sending, so that an exam that arrived while its answer was lost is not diagnosed twice. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Send files as one exam; ``on.progress({ loaded, total, speed, left })`` while they go, then one of ``on.taken(address)``,
 * ``on.refused(problem, { isTheirs })``, ``on.lost()`` and ``on.cancelled()``. Returns a function that cancels it.
 */
export function sendExam(files, key, on) {
  const body = new FormData();
  for (const { file, name } of files) body.append("files", file, name);
  const request = new XMLHttpRequest();
  const speed = new Speed();
  request.open("POST", "/api/v1/exams");
  request.setRequestHeader("Prefer", "respond-async");
  for (const [name, value] of Object.entries(ours())) request.setRequestHeader(name, value);
  request.setRequestHeader("Idempotency-Key", key);
  const settled = () => window.removeEventListener("beforeunload", askFirst);
  for (const end of ["load", "error", "abort"]) request.addEventListener(end, settled);
  window.addEventListener("beforeunload", askFirst);
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    const now = speed.after(loaded);
    on.progress({ loaded, total, speed: now, left: Math.ceil((total - loaded) / Math.max(1, now)) });
  });
  request.addEventListener("load", () => {
    const place = request.getResponseHeader("Location");
    if (request.status < 300 && place) on.taken(place);
    else if (request.status === 401) signIn();
    // A proxy gave no answer of ours: the exam may have arrived.
    else if (request.status === 502 || request.status === 504) on.lost();
    else on.refused(problemIn(request) ?? foreign(request.status), { isTheirs: request.status < 500 });
  });
  request.addEventListener("error", () => on.lost());
  request.addEventListener("abort", () => on.cancelled());
  request.send(body);
  return () => request.abort();
}

/** What to say of an answer that is not ours: something in front of the service gave it. */
function foreign(status) {
  if (status === 413) {
    return {
      title: sentence("Something in front of the service takes no upload of this size"),
      advice: sentence("Tell the operator: the limit is not the service’s own."),
    };
  }
  if (status >= 500) return { title: sentence("The service gave no answer"), advice: sentence("Try again in a while.") };
  return {
    title: sentence("Something in front of the service turned the upload away"),
    advice: sentence("Tell the operator, with the number {status}.", { status }),
  };
}

function problemIn(request) {
  try {
    const problem = JSON.parse(request.responseText);
    return problem.title ? problem : null;
  } catch {
    return null;
  }
}
