"""One exam diagnosed without a server: files on disk in, report and pictures out."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from app.course import Reading, Scoring
from app.ct.heatmap import overlay_png
from app.ct.reading.files import NamedFile
from app.desk import utc_now
from app.exam_folder import Wish
from app.outcome import Timed
from app.service import Diagnosed, DiagnosisService, SliceClassifier
from app.store import KeptExam, Status, new_id
from app.uploads import Limits
from app.web.reporting import exam_report
from app.web.schemas import ExamReport


@dataclass(frozen=True, eq=False)
class Prediction:
    """A diagnosed exam and its report; addresses in it are names of files beside ``report.json``."""

    report: ExamReport
    diagnosed: Diagnosed

    def json(self, *, with_pictures: bool) -> str:
        """The report; without addresses of pictures where none are written."""
        absent = {"image", "heatmap"} if with_pictures else {"image", "heatmap", "overlay"}
        outside: dict[str, object] = {"expires_at": True, "slices": {"__all__": absent}}
        if not with_pictures:
            outside["heatmap"] = True
        return self.report.model_dump_json(indent=2, exclude=outside)  # type: ignore[arg-type]

    def text(self) -> str:
        """The report in a few lines."""
        report, (low, high) = self.report, self.report.inconclusive_band
        return "\n".join(
            [
                f"{report.verdict}  probability {report.probability:.3f}  (threshold {report.threshold:.2f}, "
                f"inconclusive {low:.2f} to {high:.2f})",
                *([] if report.why_held_back is None else [f"held back: {report.why_held_back}"]),
                f"{report.input.slices} slices read, {report.input.scored} scored, {len(report.findings)} at or above "
                f"the slice threshold; strongest: slice {report.strongest_slice}",
                f"judged by: {report.rests_on}",
                *report.input.warnings,
                f"model {report.model.name} {report.model.sha256[:16]} on {report.model.engine}, "
                f"{report.timing_s.total:.1f} s",
                report.notice,
            ]
        )

    def write(self, folder: Path) -> None:
        """``report.json`` and the overlay of every scored slice."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(self.json(with_pictures=True) + "\n", encoding="utf-8")
        scores = self.diagnosed.scores
        for row, index in enumerate(scores.indices):
            top, left, bottom, right = (int(edge) for edge in scores.boxes[row])
            gray = self.diagnosed.exam.slices[index].gray
            (folder / _overlay_name(index)).write_bytes(overlay_png(gray, scores.heat[row], (top, left, bottom, right)))


def exam_files(paths: Sequence[Path]) -> list[NamedFile]:
    """The files of ``paths``, folders opened, in the order of their names.

    Hidden files are among them: what is a slice, the reader decides by their bytes, and counts what it leaves out.

    Raises:
        FileNotFoundError: a path does not exist.
    """
    return [file for path in paths for file in _files(path)]


def _files(path: Path) -> Iterator[NamedFile]:
    if not path.exists():
        raise FileNotFoundError(path)
    if not path.is_dir():
        yield NamedFile(path.name, path)
        return
    for inside in sorted(path.rglob("*")):
        if inside.is_file():
            yield NamedFile(inside.relative_to(path).as_posix(), inside)


def predict(
    files: Sequence[NamedFile], classifier: SliceClassifier, *, on_progress: Callable[[Reading | Scoring], None]
) -> Prediction:
    """Diagnose one exam.

    Raises:
        ExamError: it cannot be diagnosed.
    """
    start, now = time.perf_counter(), utc_now()
    service = DiagnosisService(classifier, limits=Limits())
    with tempfile.TemporaryDirectory(prefix="covidct-") as spool:
        diagnosed = service.diagnose(files, spool=Path(spool), wish=Wish(), on_progress=on_progress)
    spent = diagnosed.timing
    timed = Timed(0.0, 0.0, spent.read, spent.select, spent.score, time.perf_counter() - start)
    exam = KeptExam(0, new_id(), Status.DONE, now, now + timedelta(0), len(files), 0.0, 1, None, None)
    report = exam_report(exam, diagnosed, timed, classifier)
    report.heatmap = _overlay_name(report.strongest_slice)
    for one in report.slices:
        one.overlay = _overlay_name(one.index) if one.scored else None
    return Prediction(report, diagnosed)


def _overlay_name(index: int) -> str:
    return f"slice-{index:04}-overlay.png"
