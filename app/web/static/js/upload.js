// The form: pick or drop, send, follow the diagnosis, then go to the exam's page. What was chosen stays until that.
import { showStage } from "./course.js";
import { dropped, picked } from "./dropped.js";
import { follow } from "./follow.js";
import { remember, showHistory } from "./history.js";
import { countKinds } from "./kinds.js";
import { enliven, megabytes, one } from "./page.js";
import { askOnce, newKey, sendExam } from "./sending.js";
import { ask, away, isLeaving, onReturn, said } from "./service.js";
import { counted, sentence } from "./words.js";

const form = one("upload");
const drop = one("drop");
const limit = { files: Number(form.dataset.maxFiles), bytes: Number(form.dataset.maxMb) * 1024 * 1024 };
const KINDS = {
  dicom: "DICOM", picture: sentence("pictures"), zip: "ZIP", volume: sentence("volume"), other: sentence("other"),
};
let chosen = [];
let key = newKey();
let cancel = null;

/** What was dropped takes the place of what was chosen before, also where it cannot be read. */
async function take(transfer) {
  const listing = (chosen = []);
  choose(listing);
  try {
    const found = await dropped(transfer);
    if (chosen === listing) choose(found);
  } catch {
    if (chosen !== listing) return;
    showProblem({ title: sentence("What was dropped cannot be read"), advice: sentence("Choose the files or the folder instead.") });
  }
}

async function choose(found) {
  const now = (chosen = found);
  key = newKey();
  hideProblem();
  const bytes = now.reduce((sum, { file }) => sum + file.size, 0);
  const sum = counted("{count} file, {size}", "{count} files, {size}", { count: now.length, size: megabytes(bytes) });
  one("chosen").textContent = now.length ? sum : "";
  const tooMuch = overLimit(now.length, bytes);
  if (tooMuch) showProblem(tooMuch);
  one("send").disabled = now.length === 0 || Boolean(tooMuch);
  if (!now.length || tooMuch) return;
  const kinds = await countKinds(now);
  if (now !== chosen) return;
  const told = Object.keys(KINDS).filter((kind) => kinds.has(kind)).map((kind) =>
    sentence("{count} {kind}", { count: kinds.get(kind), kind: KINDS[kind] }));
  const comma = sentence(", ");
  one("chosen").textContent = sentence("{files}: {kinds}", { files: sum, kinds: told.join(comma) });
}

/** What is more than the service takes is said before anything is sent. */
function overLimit(files, bytes) {
  const advice = sentence("Send one series only.");
  const detail = (most) => sentence("At most {most} are taken.", { most });
  if (files > limit.files) return { title: sentence("Too many files"), detail: detail(limit.files), advice };
  if (bytes > limit.bytes) return { title: sentence("Too large"), detail: detail(`${form.dataset.maxMb} MB`), advice };
  return null;
}

function showProblem({ title, detail, advice }) {
  one("problem-title").textContent = sentence("{title}.", { title });
  one("problem-detail").textContent = detail && detail !== title ? detail : "";
  one("problem-advice").textContent = advice ?? "";
  one("problem").hidden = false;
}

function hideProblem() {
  one("problem").hidden = true;
}

function showUnderWay(isUnderWay) {
  one("progress").hidden = !isUnderWay;
  one("course").hidden = true;
  one("cancel").hidden = !isUnderWay;
  one("send").hidden = isUnderWay;
  drop.inert = isUnderWay;
  (isUnderWay ? one("cancel") : one("send")).focus();
}

function stop(problem) {
  cancel = null;
  showUnderWay(false);
  if (problem) showProblem(problem);
}

function timeLeft(seconds) {
  return seconds < 90
    ? sentence("{seconds} s left", { seconds })
    : sentence("{minutes} min left", { minutes: Math.ceil(seconds / 60) });
}

function showSending({ loaded, total, speed, left }) {
  one("progress-bar").value = (100 * loaded) / total;
  one("progress-figures").textContent = loaded < total
    ? sentence("{sent} of {size}, {speed}/s, {left}", {
      sent: megabytes(loaded), size: megabytes(total), speed: megabytes(speed), left: timeLeft(left),
    })
    : sentence("{size} sent", { size: megabytes(total) });
}

function send() {
  hideProblem();
  one("progress-bar").value = 0;
  one("progress-figures").textContent = "";
  cancel = sendExam(chosen, key, {
    progress: showSending,
    taken: followExam,
    refused: (problem, { isTheirs }) => {
      stop(problem);
      if (isTheirs) key = newKey();
    },
    lost: () => {
      away();
      const advice = sentence("What you chose is still here. Send it again when the service is back.");
      stop({ title: sentence("The connection was lost"), advice });
    },
    cancelled: () => stop(null),
  });
  showUnderWay(true);
}

function followExam(exam) {
  const id = exam.split("/").pop();
  key = newKey();
  remember(id);
  one("progress-bar").value = 100;
  one("course").hidden = false;
  showStage("waiting");
  const stopFollowing = follow(exam, { stage: showStage, ended: (status) => ended(status, exam) });
  cancel = async () => {
    stopFollowing();
    stop(null);
    await giveUp(exam);
    showHistory();
  };
}

/** What ended meanwhile is not erased: its result is there to be read. */
async function giveUp(exam) {
  const answer = await ask(exam);
  const told = answer?.ok ? await said(answer) : null;
  if (told && told.status !== "done") await ask(exam, { method: "DELETE" });
  else if (told && !cancel) showResult(exam);
}

function showResult(exam) {
  window.location.assign(exam.replace("/api/v1/", "/covid/"));
}

/** A refusal is told here, where the files are still at hand; anything else has a page of its own. */
async function ended(status, exam) {
  const mine = cancel;
  const isTold = status === "refused" || status === "failed";
  const answer = isTold ? await ask(exam) : null;
  const told = answer?.ok ? await said(answer) : null;
  if (cancel !== mine) return; // Cancelled meanwhile.
  if (told) {
    stop(told.problem);
    showHistory();
  } else if (isTold && (answer === null || answer.ok)) {
    away();
    const forget = onReturn(() => {
      forget();
      if (cancel === mine) ended(status, exam);
    });
  } else {
    stop(null); // Whoever comes back to this page finds the form as it was, and nothing there to cancel.
    showResult(exam);
  }
}

/** While the model loads, the page says so; once it is there, a page with nothing chosen is drawn anew with its figures. */
async function awaitModel() {
  const note = one("model-loads");
  if (!note) return;
  const answer = await ask("/readyz");
  if (!answer?.ok) setTimeout(awaitModel, 2000);
  else if (chosen.length || isLeaving()) note.remove();
  else window.location.reload();
}

enliven();
showHistory();
onReturn(showHistory);
awaitModel();
choose([...picked(one("files")), ...picked(one("folder"))]);
for (const id of ["files", "folder"]) {
  one(id).addEventListener("change", (event) => choose(picked(event.target)));
}
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  drop.classList.remove("over");
  take(event.dataTransfer);
});
// Beside the box as well: the browser would open the file in place of this page.
for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (chosen.length && !one("send").disabled && !cancel) send();
});
one("cancel").addEventListener("click", () => cancel?.());
// The page in another language has nothing chosen.
one("preferences").addEventListener("submit", (event) => {
  if (!event.defaultPrevented && chosen.length && !cancel) askOnce();
});
