"""Counts and seconds for Prometheus; nothing in them stands for one exam."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.desk import Desk
from app.outcome import Outcome

STAGES_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 60.0)


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

    def watch(self, desk: Desk) -> None:
        """Show the desk's line and readiness whenever metrics are read."""
        waiting = Gauge("covidct_exams_waiting", "Exams in line", registry=self.registry)
        waiting.set_function(lambda: desk.waiting)
        ready = Gauge("covidct_ready", "1 once the model passed its self-test", registry=self.registry)
        ready.set_function(lambda: float(desk.classifier is not None))

    def observe(self, outcome: Outcome) -> None:
        """Count one exam's end."""
        self._exams.labels(outcome.status).inc()
        self._slices.inc(outcome.scored)
        if outcome.code is not None:
            self._problems.labels(outcome.code).inc()
        for stage, seconds in outcome.timing_s:
            self._stages.labels(stage).observe(seconds)
