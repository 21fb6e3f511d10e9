"""Stand-ins that are passed in where a test is not about the model."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from app.ct.affected import AffectedSpec, LungAreas
from app.ct.exam import Exam
from app.ct.exam_rule import TopShareMean
from app.ct.fitness import TrainingFeatures, TrainingSlices
from app.ct.manifest import Decision, FitnessSpec, Manifest, Measured, NetworkSpec, PreprocessingSpec
from app.ct.precision import Precision
from app.ct.scores import SliceScores
from app.ct.workers import ON_THE_SPOT, Workers


def a_manifest(
    *,
    image_threshold: float = 0.5,
    rests_on: str = "Chosen on nothing: a fake.",
    affected: AffectedSpec | None = None,
    measured: tuple[Measured, ...] = (),
    **limits: float,
) -> Manifest:
    return Manifest(
        name="fake-1",
        files={"weights.safetensors": "0" * 64},
        network=NetworkSpec(head="attention"),
        preprocessing=PreprocessingSpec(name="lung-box", size=299, fingerprint="f" * 64),
        image=Decision(threshold=image_threshold, band=(image_threshold - 0.1, image_threshold + 0.1)),
        exam_rule=TopShareMean(top_share=0.2, decision=Decision(threshold=0.5, band=(0.38, 0.62)), rests_on=rests_on),
        fitness=a_fitness(**limits),
        affected=affected,
        measured=measured,
    )


def some_measured(
    *, data: str = "patients-1", by: Literal["slice", "patient"] = "patient", sensitivity: float = 0.9, n: int = 40
) -> tuple[Measured, ...]:
    """Sensitivity and a specificity of 0.8."""
    of_both = {"data": data, "by": by, "n": n, "groups": n}
    return (
        Measured(metric="sensitivity", value=sensitivity, low=0.7, high=0.95, **of_both),
        Measured(metric="specificity", value=0.8, low=0.6, high=0.9, **of_both),
    )


def an_affected_spec(**changes: float) -> AffectedSpec:
    """Places of evidence one half, taken as they are, within a tenth of a share of one."""
    plain = {"threshold": 0.5, "slope": 1.0, "slice_error": 0.2, "exam_error": 0.1}
    return AffectedSpec.model_validate(plain | changes | {"rests_on": "Fitted on nothing: a fake."})


def a_fitness(
    *, distance_limit: float = 2.0, masked_distance_limit: float | None = None, least_lung_area: float = 0.02
) -> FitnessSpec:
    return FitnessSpec(
        file="fitness.safetensors",
        least_lung_area=least_lung_area,
        distance_limit=distance_limit,
        masked_distance_limit=masked_distance_limit,
        rests_on="Chosen on nothing.",
    )


def some_training_features(**changes: np.ndarray) -> TrainingFeatures:
    """Four channels: the first two spread by 3 and 2, the others by 0.5; the first is shifted by 10."""
    arrays = {
        "mean": np.array([10, 0, 0, 0]),
        "scale": np.ones(4),
        "axes": np.eye(4)[:, :2],
        "variance": np.array([9, 4]),
        "rest": np.array([0.25]),
    }
    return TrainingFeatures(**{name: array.astype(np.float32) for name, array in (arrays | changes).items()})


def some_training_slices(masked: TrainingFeatures | None = None) -> TrainingSlices:
    return TrainingSlices(some_training_features(), masked)


@dataclass
class FakeClassifier:
    """``peak`` is the logit of the middle slice, the outer ones have less by ``spread``; waits for ``gate`` before each chunk.

    The lungs are not found on the ``lungs_lost`` slices nearest the head, and slices in ``unlike`` look like nothing the model
    was trained on.
    """

    peak: float = 3.0
    spread: float = 2.0
    gate: threading.Event | None = None
    fault: Exception | None = None
    manifest: Manifest = field(default_factory=a_manifest)
    engine_name: str = "fake"
    on_gpu: bool = False
    precision: Precision = "bf16"
    lungs_lost: int = 0
    unlike: range = range(0)

    def score_chunks(
        self, exam: Exam, indices: Sequence[int], *, chunk: int = 8, workers: Workers = ON_THE_SPOT
    ) -> Iterator[SliceScores]:
        del workers
        for start in range(0, len(indices), chunk):
            if self.gate is not None:
                self.gate.wait(timeout=30)
            if self.fault is not None:
                raise self.fault
            yield self._scores(exam, indices[start : start + chunk])

    def _scores(self, exam: Exam, indices: Sequence[int]) -> SliceScores:
        middle = (len(exam.slices) - 1) / 2
        distance = np.abs(np.array(indices) - middle) / max(1.0, middle)
        lost = np.array(indices) < self.lungs_lost
        height, width = exam.slices[0].gray.shape
        rows, columns = np.mgrid[0:38, 0:38]
        spot = np.exp(-((rows - 22) ** 2 + (columns - 10) ** 2) / 30).astype(np.float32)
        box = (height // 8, width // 8, height - height // 8, width - width // 8)
        return SliceScores(
            tuple(indices),
            logits=(self.peak * (1 - self.spread * distance)).astype(np.float32),
            share=np.stack([spot * float(1 - d) for d in distance]),
            evidence=np.zeros((len(indices), 38, 38), np.float32),
            boxes=np.tile(np.array(box, np.int32), (len(indices), 1)),
            evidence_in_lung=np.full(len(indices), 0.9, np.float32) * ~lost,
            lung_found=~lost,
            distance=np.where([index in self.unlike for index in indices], 1.5, 0.5).astype(np.float32),
            areas=None if self.manifest.affected is None else LungAreas(1000.0 * ~lost, 250.0 * ~lost),
        )
