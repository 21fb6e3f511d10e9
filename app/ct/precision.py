"""In which precisions engines may compute with a model's weights, and in which the CPU engine will on this machine.

Which are allowed is measured by ``covidct-train precision`` on the trained weights, and stands in the manifest.
"""

from collections.abc import Collection
from typing import Literal, Self

from pydantic import Field, model_validator

from app.ct.part import Part

Precision = Literal["f32", "bf16", "int8"]


class Alike(Part):
    """Correlation of a map's places with the reference's, slice by slice; None where every map is of one value.

    Attributes:
        median: over slices.
        worst_decile: a tenth of the slices lies below it.
    """

    median: float | None
    worst_decile: float | None


class Agreement(Part):
    """How a precision's answers differ from those of the reference engine in float32, slice by slice.

    Attributes:
        slices, groups: how many were compared, all of part validation.
        auc, reference_auc: of the labels; None where the slices are of one class.
        auc_loss, auc_loss_low, auc_loss_high: reference less this, paired, with its 95 % interval by group.
        largest_change, median_change: of a slice's probability.
        opposite: slices whose verdict turned from one side of the inconclusive band to the other.
        into_or_out_of_band: slices whose verdict became inconclusive or ceased to be.
        gate_changes: slices that came to lie on the other side of the limit of what is like training.
        share, evidence: of the two maps.
        ms_per_slice: median, in batches of 8, on the machine that measured.
        speed: how many times as fast as float32, in turns with it.
    """

    slices: int = Field(ge=1)
    groups: int = Field(ge=1)
    auc: float | None
    reference_auc: float | None
    auc_loss: float | None
    auc_loss_low: float | None
    auc_loss_high: float | None
    largest_change: float
    median_change: float
    opposite: int
    into_or_out_of_band: int
    gate_changes: int
    share: Alike
    evidence: Alike
    ms_per_slice: float
    speed: float


class PrecisionSpec(Part):
    """One allowed precision.

    Attributes:
        file: graph file in the model folder.
        tolerance: largest allowed difference of a probability from the reference on the self-test.
        measured: what it was allowed for.
    """

    file: str
    tolerance: float = Field(gt=0, le=0.1)
    measured: Agreement | None = None


class EngineSpec(Part):
    """Files of an engine other than the reference, the precision it runs in and how far it may differ from the reference.

    Attributes:
        file: graph file in the model folder.
        precision: what the CPU engine is told to use where the processor has it.
        tolerance: largest allowed difference of a probability from the reference on the self-test.
        allowed: every precision that the folder has files for, the fastest, which is served, first. Empty in models
            released before precisions were measured.
    """

    file: str
    precision: Precision
    tolerance: float = Field(gt=0, le=0.1)
    allowed: dict[Precision, PrecisionSpec] = Field(default_factory=dict)

    @classmethod
    def of(cls, allowed: dict[Precision, PrecisionSpec]) -> Self:
        """Serve the first of ``allowed``."""
        served, spec = next(iter(allowed.items()))
        return cls(file=spec.file, precision=served, tolerance=spec.tolerance, allowed=allowed)

    @model_validator(mode="after")
    def _serves_what_is_allowed(self) -> Self:
        served = next(iter(self.choices.items()))
        if (served[0], served[1].file, served[1].tolerance) != (self.precision, self.file, self.tolerance):
            raise ValueError("the precision served is not the first allowed")
        return self

    @property
    def choices(self) -> dict[Precision, PrecisionSpec]:
        """The allowed precisions, the served one first."""
        return self.allowed or {self.precision: PrecisionSpec(file=self.file, tolerance=self.tolerance)}

    def runs_in(self, native: Collection[str]) -> Precision:
        """The precision to run in on a processor that computes natively in ``native``: the fastest allowed of these.

        Where there is none (a model with one precision), the served one: OpenVINO then computes bfloat16 as float32.
        """
        return next((precision for precision in self.choices if precision in native), self.precision)
