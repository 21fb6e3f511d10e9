"""Exams diagnosed without a server, one after the other with one classifier: files on disk in, results out."""

import hashlib
import json
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from app import NOTICE
from app.commands.given import GivenExam
from app.commands.writing import write_whole
from app.ct.errors import CovidCTError, ExamError
from app.ct.heatmap import overlay_png
from app.ct.reading.files import NamedFile
from app.ct.words import sentence
from app.diagnosing import utc_now
from app.exam_folder import Wish
from app.kept import KeptExam, Status, new_id
from app.outcome import Timed
from app.service import Diagnosed, DiagnosisService, OnProgress
from app.storage import room
from app.web.problems import Internal, Problem, problem_of
from app.web.reporting import exam_report
from app.web.schemas import ExamReport

REPORT = "report.json"
_OVERLAY = re.compile(r"slice-\d{4,}-overlay\.png")


@dataclass(frozen=True, eq=False)
class Prediction:
    """A diagnosed exam and its report; addresses in it are names of files beside ``report.json``."""

    report: ExamReport
    diagnosed: Diagnosed

    def json(self, *, with_pictures: bool) -> str:
        """The report; without addresses of pictures where none are written."""
        absent = {"image", "compressed", "pixels", "heatmap"} | (set() if with_pictures else {"overlay"})
        outside: dict[str, object] = {"expires_at": True, "slices": {"__all__": absent}}
        if not with_pictures:
            outside["heatmap"] = True
        return self.report.model_dump_json(indent=2, exclude=outside)  # type: ignore[arg-type]

    def text(self) -> str:
        """The report in a few lines."""
        report, (low, high) = self.report, self.report.inconclusive_band
        return "\n".join(
            [
                f"{report.verdict}  probability {report.probability:.3f}  (threshold {report.threshold:.3f}, "
                f"inconclusive {low:.3f} to {high:.3f})",
                f"{report.input.slices} slices read, {report.input.scored} scored, {len(report.findings)} at or above "
                f"the slice threshold; strongest: slice {report.strongest_slice + 1} of {len(report.slices)}",
                f"judged by: {report.rests_on}",
                *([] if report.affected_in_words is None else [f"estimate: {report.affected_in_words}"]),
                *([] if report.why_held_back is None else [f"held back: {report.why_held_back}"]),
                *report.input.warnings,
                f"model {report.model.name} {report.model.sha256[:16]} on {report.model.engine}, "
                f"{report.timing_s.total:.1f} s",
                report.notice,
            ]
        )

    def write(self, folder: Path) -> None:
        """The overlay of every scored slice; then ``report.json``, which names them."""
        _clear(folder)
        scores = self.diagnosed.scores
        for row, index in enumerate(scores.indices):
            top, left, bottom, right = (int(edge) for edge in scores.boxes[row])
            gray = self.diagnosed.exam.slices[index].gray
            picture = overlay_png(gray, scores.heat[row], (top, left, bottom, right))
            write_whole(folder / _overlay_name(index), picture)
        write_whole(folder / REPORT, f"{self.json(with_pictures=True)}\n".encode())


@dataclass(frozen=True, eq=False)
class Refusal:
    """An exam without a diagnosis: refused, or given up because something failed."""

    problem: Problem
    status: Literal[Status.REFUSED, Status.FAILED]

    @classmethod
    def of(cls, error: CovidCTError) -> Self:
        """What an error is to its exam."""
        return cls(problem_of(error), Status.REFUSED if isinstance(error, ExamError) else Status.FAILED)

    def json(self) -> str:
        """The problem as the service tells it of an exam."""
        told = {"status": self.status, "problem": self.problem.model_dump(exclude_none=True), "notice": NOTICE}
        return json.dumps(told, indent=2, ensure_ascii=False)

    def text(self) -> str:
        """The problem in a few lines, and what to do."""
        problem = self.problem
        what = [] if problem.detail == problem.title else [problem.detail]
        return "\n".join([f"REFUSED  {problem.code}: {problem.title}", *what, problem.advice])

    def write(self, folder: Path) -> None:
        """The problem as ``report.json``, so that the report of an earlier run does not pass for this one's."""
        _clear(folder)
        write_whole(folder / REPORT, f"{self.json()}\n".encode())


Outcome = Prediction | Refusal


def outcome_of(exam: GivenExam, service: DiagnosisService, *, wish: Wish, on_progress: OnProgress) -> Outcome:
    """Diagnose one exam; that it cannot be diagnosed is an outcome too, and does not stop the others."""
    try:
        return diagnosed_exam(exam.files(), service, wish=wish, on_progress=on_progress)
    except CovidCTError as error:
        return Refusal.of(error)
    except Exception as error:  # noqa: BLE001  the others are still to be diagnosed; its text may name a patient
        return Refusal.of(
            Internal(sentence("The diagnosis stopped for a reason inside ({kind}).", kind=type(error).__name__))
        )


def diagnosed_exam(
    files: Sequence[NamedFile], service: DiagnosisService, *, wish: Wish, on_progress: OnProgress
) -> Prediction:
    """Diagnose one exam and report on it.

    Raises:
        ExamError: it cannot be diagnosed.
        StorageFull: there is no room to open its archive.
    """
    start, now = time.perf_counter(), utc_now()
    with room(), tempfile.TemporaryDirectory(prefix="covidct-") as spool:
        diagnosed = service.diagnose(files, spool=Path(spool), wish=wish, on_progress=on_progress)
    spent = diagnosed.timing
    timed = Timed(0.0, 0.0, spent.read, spent.select, spent.score, time.perf_counter() - start)
    sha256 = _input_sha256(files)
    exam = KeptExam(0, new_id(), Status.DONE, now, now, len(files), 0.0, 1, None, None, input_sha256=sha256)
    report = exam_report(exam, diagnosed, timed, service.classifier)
    report.heatmap = _overlay_name(report.strongest_slice)
    for one in report.slices:
        one.overlay = _overlay_name(one.index) if one.scored else None
    return Prediction(report, diagnosed)


def _input_sha256(files: Sequence[NamedFile]) -> str:
    """Of the files' digests one after the other, as the service tells it."""
    digests = bytearray()
    for file in files:
        with file.open() as opened:
            digests += hashlib.file_digest(opened, "sha256").digest()  # type: ignore[arg-type]  # it has readinto
    return hashlib.sha256(digests).hexdigest()


def is_report(path: Path) -> bool:
    """Whether a file is what ``write`` of a prediction or a refusal leaves; earlier versions left the bare problem."""
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and (
        found.get("notice") == NOTICE or str(found.get("type")).startswith("urn:covidct:problem:")
    )


def _overlay_name(index: int) -> str:
    return f"slice-{index:04}-overlay.png"


def _clear(folder: Path) -> None:
    """Remove report and overlays of an earlier run, which might be those of another exam; nothing else.

    The report first: whatever breaks off after that, none stands beside pictures that are not its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / REPORT).unlink(missing_ok=True)
    for path in folder.iterdir():
        if _OVERLAY.fullmatch(path.name):
            path.unlink()
