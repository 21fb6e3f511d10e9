// The course of an exam: its events as they come, asked for where they stay away.
import { ask, onReturn, said, troubled } from "./service.js";

const ENDS = ["done", "refused", "failed", "expired"];
const [AGAIN_MS, MOST_MS, SILENT_MS] = [2000, 30_000, 10_000];

/**
 * Follow an exam to its end, also where the service restarts meanwhile.
 *
 * ``exam``: its address; ``on.stage(name, progress)`` is called for waiting, reading and scoring, ``on.ended(status)`` once.
 * Returns a function that ends it.
 */
export function follow(exam, on) {
  let source = null;
  let timer = 0;
  let isOver = false;
  let errors = 0;
  let forget = null;

  const stop = () => {
    isOver = true;
    source?.close();
    clearTimeout(timer);
    forget?.();
  };
  const end = (status) => {
    if (isOver) return;
    stop();
    on.ended(status);
  };
  const after = (milliseconds, act) => {
    clearTimeout(timer);
    if (!isOver) timer = setTimeout(act, milliseconds);
  };
  /** Some networks hold events back: what is silent for long is asked for. */
  const heard = (stage, progress) => {
    on.stage(stage, progress);
    after(SILENT_MS, askOnce);
  };

  function listen() {
    if (isOver) return;
    source?.close();
    source = new EventSource(`${exam}/events`);
    source.addEventListener("received", () => heard("waiting"));
    source.addEventListener("reading", () => heard("reading"));
    source.addEventListener("scoring", (event) => heard("scoring", JSON.parse(event.data)));
    for (const status of ENDS) source.addEventListener(status, () => end(status));
    source.addEventListener("error", () => {
      source.close();
      askOnce();
    });
    after(SILENT_MS, askOnce);
  }

  async function askOnce() {
    clearTimeout(timer);
    const answer = await ask(exam);
    if (isOver || answer === null) return; // Goes on when the service is back.
    if (answer.status === 404 || answer.status === 410) return end("expired");
    const told = answer.ok ? await said(answer) : null;
    if (isOver) return;
    errors = told ? 0 : errors + 1;
    troubled(errors > 1);
    const { status, progress } = told ?? {};
    if (ENDS.includes(status)) return end(status);
    if (progress) on.stage(progress.stage === "received" ? "waiting" : progress.stage, progress);
    after(Math.min(MOST_MS, AGAIN_MS * 2 ** Math.max(0, errors - 1)), source?.readyState === EventSource.OPEN ? askOnce : listen);
  }

  forget = onReturn(listen);
  listen();
  return stop;
}
