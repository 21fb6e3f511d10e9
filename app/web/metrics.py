"""Counts and seconds for Prometheus; nothing in them stands for one exam."""

import math
import shutil
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.desk import Desk
from app.outcome import Outcome
from app.web.drift import Drift

STAGES_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 60.0)
SLICES = (1, 10, 30, 60, 100, 200, 400, 800, 1600, 4096)
BYTES = tuple(4.0**k * 1024 for k in range(11))


class Metrics:
    """A registry of its own, so that several applications may live in one process."""

    def __init__(self) -> None:
        """Nothing counted yet."""
        self.registry = CollectorRegistry()
        self._exams = Counter("covidct_exams", "Exams by how they ended", ["status"], registry=self.registry)
        self._problems = Counter(
            "covidct_problems", "Refused or failed exams by code", ["code"], registry=self.registry
        )
        self._slices = Counter("covidct_slices_scored", "Slices scored", registry=self.registry)
        self._stages = Histogram(
            "covidct_stage_seconds", "Seconds of a stage", ["stage"], buckets=STAGES_S, registry=self.registry
        )

        self._requests = Counter(
            "covidct_requests", "Requests by route and status", ["route", "status"], registry=self.registry
        )
        self._refusals = Counter("covidct_refusals", "Requests turned away by code", ["code"], registry=self.registry)
        self._bytes = Histogram("covidct_body_bytes", "Bytes of request bodies", buckets=BYTES, registry=self.registry)
        self._files = Histogram("covidct_exam_files", "Files of an exam", buckets=SLICES, registry=self.registry)
        self._exam_slices = Histogram(
            "covidct_exam_slices", "Slices of a diagnosed exam", buckets=SLICES, registry=self.registry
        )
        self._drift: Drift | None = None

    def watch(self, desk: Desk, data_dir: Path) -> None:
        """Show the desk's line, readiness, the disk's room and the model's references whenever metrics are read."""
        self._drift = Drift(self.registry, lambda: None if desk.classifier is None else desk.classifier.manifest)
        waiting = Gauge("covidct_exams_waiting", "Exams in line", registry=self.registry)
        waiting.set_function(lambda: desk.waiting)
        ready = Gauge("covidct_ready", "1 once the model passed its self-test", registry=self.registry)
        ready.set_function(lambda: float(desk.classifier is not None))
        free = Gauge("covidct_data_free_bytes", "Room on the disk of the data folder", registry=self.registry)
        free.set_function(lambda: _free_bytes(data_dir))

    def observe(self, outcome: Outcome) -> None:
        """Count one exam's end."""
        self._exams.labels(outcome.status).inc()
        self._slices.inc(outcome.scored)
        if outcome.code is not None:
            self._problems.labels(outcome.code).inc()
        if outcome.files:  # Of what expired in line nothing is known any more.
            self._files.observe(outcome.files)
        if outcome.slices:
            self._exam_slices.observe(outcome.slices)
        if self._drift is not None:
            self._drift.observe(outcome)
        for stage, seconds in outcome.timing_s:
            self._stages.labels(stage).observe(seconds)

    def count_request(self, route: str, *, status: int, body_bytes: int) -> None:
        """Count one request; ``route`` as the program writes it, ``status`` 0 where no answer was begun."""
        self._requests.labels(route, str(status)).inc()
        if body_bytes:
            self._bytes.observe(body_bytes)

    def count_refusal(self, code: str) -> None:
        """Count a request that was answered with a problem."""
        self._refusals.labels(code).inc()


def _free_bytes(folder: Path) -> float:
    try:
        return float(shutil.disk_usage(folder).free)
    except OSError:
        return math.nan
