// The form: pick or drop, send, follow the diagnosis, then go to the exam's page. What was chosen stays until that.
import { showStage } from "./course.js";
import { dropped, picked } from "./dropped.js";
import { follow } from "./follow.js";
import { remember, showHistory } from "./history.js";
import { countKinds } from "./kinds.js";
import { enliven, megabytes, one } from "./page.js";
import { newKey, sendExam } from "./sending.js";
import { ask, away, onReturn } from "./service.js";

const form = one("upload");
const drop = one("drop");
const limit = { files: Number(form.dataset.maxFiles), bytes: Number(form.dataset.maxMb) * 1024 * 1024 };
const KINDS = { dicom: "DICOM", picture: "pictures", zip: "ZIP", volume: "volume", other: "other" };
let chosen = [];
let key = newKey();
let cancel = null;

async function choose(found) {
  const now = (chosen = found);
  key = newKey();
  hideProblem();
  const bytes = now.reduce((sum, { file }) => sum + file.size, 0);
  const sum = `${now.length} file${now.length === 1 ? "" : "s"}, ${megabytes(bytes)}`;
  one("chosen").textContent = now.length ? sum : "";
  const tooMuch = overLimit(now.length, bytes);
  if (tooMuch) showProblem(tooMuch);
  one("send").disabled = now.length === 0 || Boolean(tooMuch);
  if (!now.length || tooMuch) return;
  const kinds = await countKinds(now);
  if (now !== chosen) return;
  const told = Object.keys(KINDS).filter((kind) => kinds.has(kind)).map((kind) => `${kinds.get(kind)} ${KINDS[kind]}`);
  one("chosen").textContent = `${sum}: ${told.join(", ")}`;
}

/** What is more than the service takes is said before anything is sent. */
function overLimit(files, bytes) {
  const advice = "Send one series only.";
  if (files > limit.files) return { title: "Too many files", detail: `At most ${limit.files} are taken.`, advice };
  if (bytes > limit.bytes) return { title: "Too large", detail: `At most ${megabytes(limit.bytes)} are taken.`, advice };
  return null;
}

function showProblem({ title, detail, advice }) {
  one("problem-title").textContent = `${title}.`;
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
  return seconds < 90 ? `${seconds} s left` : `${Math.ceil(seconds / 60)} min left`;
}

function showSending({ loaded, total, speed, left }) {
  one("progress-bar").value = (100 * loaded) / total;
  one("progress-figures").textContent = loaded < total
    ? `${megabytes(loaded)} of ${megabytes(total)}, ${megabytes(speed)}/s, ${timeLeft(left)}`
    : `${megabytes(total)} sent`;
}

function send() {
  hideProblem();
  one("progress-bar").value = 0;
  one("progress-figures").textContent = "";
  cancel = sendExam(chosen, key, {
    progress: showSending,
    taken: followExam,
    refused: (problem) => {
      stop(problem ?? { title: "The service gave no answer", advice: "Try again in a while." });
      key = newKey();
    },
    lost: () => {
      away();
      stop({ title: "The connection was lost", advice: "What you chose is still here. Send it again when the service is back." });
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
    await ask(exam, { method: "DELETE" });
    showHistory();
  };
}

/** A refusal is told here, where the files are still at hand; anything else has a page of its own. */
async function ended(status, exam) {
  const answer = status === "refused" || status === "failed" ? await ask(exam) : null;
  if (answer?.ok) {
    stop((await answer.json()).problem);
    showHistory();
  } else {
    window.location.assign(exam.replace("/api/v1/", "/covid/"));
  }
}

/** While the model loads, the page says so; once it is there, a page with nothing chosen is drawn anew with its figures. */
async function awaitModel() {
  const note = one("model-loads");
  if (!note) return;
  const answer = await ask("/readyz");
  if (!answer?.ok) setTimeout(awaitModel, 2000);
  else if (chosen.length) note.remove();
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
drop.addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  choose(await dropped(event.dataTransfer));
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (chosen.length && !one("send").disabled && !cancel) send();
});
one("cancel").addEventListener("click", () => cancel?.());
