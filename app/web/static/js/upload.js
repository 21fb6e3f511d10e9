// The form: pick or drop, send with progress, then go to the exam's page.
import { dropped, picked } from "./dropped.js";
import { showHistory } from "./history.js";
import { enliven, megabytes, one } from "./page.js";

const form = one("upload");
const drop = one("drop");
const limit = { files: Number(form.dataset.maxFiles), bytes: Number(form.dataset.maxMb) * 1024 * 1024 };
let chosen = [];
let sending = null;

function choose(found) {
  chosen = found;
  hideProblem();
  const bytes = chosen.reduce((sum, { file }) => sum + file.size, 0);
  one("chosen").textContent = chosen.length
    ? `${chosen.length} file${chosen.length === 1 ? "" : "s"}, ${megabytes(bytes)}`
    : "";
  one("send").disabled = chosen.length === 0;
  if (chosen.length > limit.files) {
    showProblem({ title: "Too many files", detail: `At most ${limit.files} are taken.`, advice: "Send one series only." });
  } else if (bytes > limit.bytes) {
    showProblem({ title: "Too large", detail: `At most ${megabytes(limit.bytes)} are taken.`, advice: "Send one series only." });
  }
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

function showSending(isSending) {
  one("progress").hidden = !isSending;
  one("cancel").hidden = !isSending;
  one("send").disabled = isSending || chosen.length === 0;
  drop.inert = isSending;
}

function showProgress(event, start) {
  const seconds = (performance.now() - start) / 1000;
  const speed = event.loaded / Math.max(seconds, 0.001);
  const left = Math.ceil((event.total - event.loaded) / Math.max(speed, 1));
  one("progress-bar").value = (100 * event.loaded) / event.total;
  one("progress-figures").textContent = event.loaded < event.total
    ? `${megabytes(event.loaded)} of ${megabytes(event.total)}, ${megabytes(speed)}/s, ${left} s left`
    : "sent";
}

function answered(request) {
  const place = request.getResponseHeader("Location");
  if (request.status === 202 && place) {
    window.location.assign(place.replace("/api/v1/", "/covid/"));
    return;
  }
  showSending(false);
  let problem = { title: "The service gave no answer", detail: "", advice: "Try again in a while." };
  try {
    problem = JSON.parse(request.responseText);
  } catch {
    // Not our own answer: the general words stand.
  }
  showProblem(problem);
}

function send() {
  const body = new FormData();
  for (const { file, name } of chosen) body.append("files", file, name);
  const request = new XMLHttpRequest();
  const start = performance.now();
  request.open("POST", "/api/v1/exams");
  request.setRequestHeader("Prefer", "respond-async");
  request.upload.addEventListener("progress", (event) => showProgress(event, start));
  request.addEventListener("load", () => answered(request));
  request.addEventListener("error", () => {
    showSending(false);
    showProblem({ title: "The connection was lost", detail: "", advice: "Check the network and send the exam again." });
  });
  request.addEventListener("abort", () => showSending(false));
  hideProblem();
  showSending(true);
  request.send(body);
  sending = request;
}

enliven();
showHistory();
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
  if (chosen.length) send();
});
one("cancel").addEventListener("click", () => sending?.abort());
