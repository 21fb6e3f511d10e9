"""One exam's files in, its diagnosis out."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np

from app.ahead import Ahead
from app.course import Reading, Scoring
from app.ct.affected import Affected, affected_of
from app.ct.diagnosis import Diagnosis, diagnose, probability_of
from app.ct.exam import Exam, Slice
from app.ct.fitness import check_body_part, check_likeness, check_lung_area, may_be_told
from app.ct.gaps import Coverage, coverage_of
from app.ct.manifest import Manifest
from app.ct.precision import Precision
from app.ct.processors import cpus
from app.ct.reading import read_exam
from app.ct.reading.files import NamedFile
from app.ct.reading.first import OnFirst
from app.ct.scores import SliceScores
from app.ct.selection import LEAST_MEASURED, lung_area, select_slices, shows_lung, slices_by_default
from app.ct.words import Sentence, counted, sentence
from app.ct.workers import ON_THE_SPOT, Noticed, Workers
from app.ct.writing import writing_on
from app.exam_folder import Wish
from app.uploads import Limits, unpack


class SliceClassifier(Protocol):
    """What the service needs of ``app.ct.classifier.Classifier``."""

    @property
    def manifest(self) -> Manifest:
        """What the model says about itself."""

    @property
    def engine_name(self) -> str:
        """Which engine runs the network."""

    @property
    def on_gpu(self) -> bool:
        """Whether scoring every slice is cheap."""

    @property
    def precision(self) -> Precision:
        """What it computes in on this machine."""

    def score_chunks(
        self, exam: Exam, indices: Sequence[int], *, chunk: int | None = None, workers: Workers = ON_THE_SPOT
    ) -> Iterator[SliceScores]:
        """Scores of ``indices``, a few at a time."""


OnProgress = Callable[[Reading | Scoring], None]


_SYNTHETIC = sentence("A synthetic exam, drawn by the service for visitors without CT data: nobody's lungs.")


@dataclass(frozen=True)
class Timing:
    """Seconds of each stage of one diagnosis."""

    read: float
    select: float
    score: float


@dataclass(frozen=True, eq=False)
class Diagnosed:
    """An exam with everything that was found in it; ``writing`` is what was noticed beside the body, ``few`` what is to be
    said where few slices were scored, ``synthetic`` whether the service drew it itself.
    """

    exam: Exam
    coverage: Coverage
    scores: SliceScores
    diagnosis: Diagnosis
    affected: Affected
    timing: Timing
    writing: tuple[Sentence, ...] = ()
    few: tuple[Sentence, ...] = ()
    synthetic: bool = False

    @property
    def warnings(self) -> tuple[Sentence, ...]:
        """What the reader of the report should know, in whole sentences: of the input, then of the scoring."""
        said = (_SYNTHETIC,) if self.synthetic else ()
        return (
            *said,
            *self.exam.warnings,
            *self.writing,
            *self.coverage.warnings,
            *self.few,
            *_lungs_lost(self.scores),
            *_unlike_training(self.scores),
        )

    @property
    def said(self) -> tuple[Sentence, ...]:
        """All that is said of the exam, to be kept with its report."""
        choice = self.exam.series
        rejected = () if choice is None else choice.rejected
        chosen = () if choice is None else (choice.chosen, choice.why)
        return (*self.warnings, *chosen, *(said for one in rejected for said in (one.series, one.why)))


def _pixel_mm2(one: Slice) -> float | None:
    return None if one.pixel_spacing_mm is None else one.pixel_spacing_mm[0] * one.pixel_spacing_mm[1]


def _lungs_lost(scores: SliceScores) -> tuple[Sentence, ...]:
    lost, scored = int((~scores.lung_found).sum()), len(scores.indices)
    said = sentence(
        "On {lost} of {scored} scored slices the lungs were not found; they were scored whole.",
        lost=lost,
        scored=scored,
    )
    return (said,) if lost else ()


def _few(scored: int, showing: int) -> tuple[Sentence, ...]:
    """Of what was asked for alone: every slice of a small exam is scored."""
    said = sentence(
        "Only {scored} of {showing} slices that show lung were scored, as was asked: with fewer than {least} nobody measured what"
        " the verdict is worth.",
        scored=scored,
        showing=showing,
        least=LEAST_MEASURED,
    )
    return (said,) if scored < min(LEAST_MEASURED, showing) else ()


def _unlike_training(scores: SliceScores) -> tuple[Sentence, ...]:
    far, scored = int((scores.distance > 1).sum()), len(scores.indices)
    said = counted(
        "{count} of {scored} scored slices looks unlike those the model was trained on.",
        "{count} of {scored} scored slices look unlike those the model was trained on.",
        count=far,
        scored=scored,
    )
    return (said,) if far else ()


@dataclass
class _Stopwatch:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - start

    def timing(self, *, ahead: float) -> "Timing":
        """Of the three stages; ``ahead`` seconds of scoring lie within the reading."""
        read, score = self.seconds["read"] - ahead, self.seconds["score"] + ahead
        return Timing(read=read, select=self.seconds["select"], score=score)


class DiagnosisService:
    """Diagnoses one exam at a time with one classifier."""

    def __init__(
        self,
        classifier: SliceClassifier,
        *,
        limits: Limits,
        keep_values: bool = False,
        workers: Workers = ON_THE_SPOT,
    ) -> None:
        """Take what the service works with.

        Args:
            classifier: as loaded.
            limits: of what may come in.
            keep_values: whether Hounsfield units are kept for viewing.
            workers: decode and prepare the slices.
        """
        self.classifier = classifier
        self.limits = limits
        self._keep_values = keep_values
        self._workers = workers
        self._by_default = slices_by_default(on_gpu=classifier.on_gpu, precision=classifier.precision, cpus=cpus())

    def diagnose(
        self,
        files: Sequence[NamedFile],
        *,
        spool: Path,
        wish: Wish,
        on_progress: OnProgress,
        on_read: Callable[[], None] = lambda: None,
    ) -> Diagnosed:
        """Read, select, score and judge.

        Args:
            files: the upload, in the order it came.
            spool: an empty folder for the files of an archive and for Hounsfield units; the caller removes it.
            wish: series and number of slices, where the sender asked for them.
            on_progress: called as the work goes on; what it raises ends the diagnosis.
            on_read: called with every part of the files that was read; likewise.

        Raises:
            ExamError: the upload cannot be diagnosed.
        """
        clock = _Stopwatch()
        on_progress(Reading())
        ahead, workers = self._ahead(wish, on_progress), Noticed(self._workers, on_read)
        with clock("read"):
            exam = self._read(files, spool, wish, on_first=ahead.look, workers=workers, on_read=on_read)
        with clock("select"):
            check_body_part(exam)
            area = lung_area(exam, workers=workers)
            check_lung_area(area, self._least_lung_area)
            chosen, coverage = select_slices(area, self._how_many(wish)), coverage_of(exam, area)
            writing, few = writing_on(exam, workers=workers), _few(len(chosen), int(shows_lung(area).sum()))
        with clock("score"):
            scores = self._score(exam, chosen, ahead.known(exam, chosen), on_progress=on_progress)
        diagnosis, spec = self._judge(exam, coverage, scores), self.classifier.manifest.affected
        affected = affected_of(scores.areas, spec, pixel_mm2=[_pixel_mm2(exam.slices[k]) for k in scores.indices])
        timing = clock.timing(ahead=ahead.seconds)
        return Diagnosed(
            exam, coverage, scores, diagnosis, affected, timing, writing=writing, few=few, synthetic=wish.example
        )

    def _ahead(self, wish: Wish, on_progress: OnProgress) -> Ahead:
        def tell(scores: SliceScores, to_score: int) -> None:
            on_progress(self._so_far([scores], exam_slices=to_score, to_score=to_score))

        return Ahead(self.classifier.score_chunks, self._how_many(wish), self._least_lung_area, tell=tell)

    def _read(
        self,
        files: Sequence[NamedFile],
        spool: Path,
        wish: Wish,
        *,
        on_first: OnFirst,
        workers: Workers,
        on_read: Callable[[], None],
    ) -> Exam:
        values_in = spool / "values" if self._keep_values else None
        if values_in is not None:
            values_in.mkdir(mode=0o700)
        unpacked = unpack(files, self.limits, spool=spool, on_read=on_read)
        return read_exam(
            unpacked,
            series_instance_uid=wish.series_instance_uid,
            values_in=values_in,
            on_first=on_first,
            workers=workers,
            on_read=on_read,
        )

    @property
    def _least_lung_area(self) -> float:
        return self.classifier.manifest.fitness.least_lung_area

    def _how_many(self, wish: Wish) -> int | None:
        return self._by_default if wish.slices is None else wish.slices or None

    def _score(
        self, exam: Exam, chosen: Sequence[int], known: SliceScores | None, *, on_progress: OnProgress
    ) -> SliceScores:
        rest = chosen if known is None else [index for index in chosen if index not in known.indices]
        more = self.classifier.score_chunks(exam, rest, workers=self._workers) if rest else ()
        if known is None:
            on_progress(Scoring(0, len(chosen)))
        parts: list[SliceScores] = []
        for part in chain(() if known is None else (known,), more):
            parts.append(part)
            check_likeness(np.concatenate([p.distance for p in parts]), to_score=len(chosen))
            if part is known and rest:
                continue  # As much was told ahead.
            on_progress(self._so_far(parts, exam_slices=len(exam.slices), to_score=len(chosen)))
        return SliceScores.joined(parts)

    def _so_far(self, parts: Sequence[SliceScores], *, exam_slices: int, to_score: int) -> Scoring:
        logits, rule = np.concatenate([part.logits for part in parts]), self.classifier.manifest.exam_rule
        if not may_be_told(np.concatenate([part.distance for part in parts]), to_score=to_score):
            return Scoring(len(logits), to_score, None)
        return Scoring(len(logits), to_score, probability_of(logits, exam_slices=exam_slices, rule=rule))

    def _judge(self, exam: Exam, coverage: Coverage, scores: SliceScores) -> Diagnosis:
        manifest = self.classifier.manifest
        return diagnose(
            scores.indices,
            scores.logits,
            exam_slices=len(exam.slices),
            rule=manifest.exam_rule,
            image=manifest.image,
            held_back=coverage.held_back,
        )
