"""What the card tells of the precisions that the CPU engine may compute in."""

from training.markdown import number, table, with_interval
from training.releasing.precision_report import Candidate, PrecisionReport
from training.run import Figure

_COLUMNS = (
    "precision",
    "kept in floating point",
    "times as fast as f32",
    "ms a slice",
    "AUC",
    "loss of AUC",
    "largest change of probability",
    "median change",
    "reversed verdicts",
    "into or out of the band",
    "likeness to training changed",
    "heat map: median, worst decile",
    "evidence map: median, worst decile",
    "allowed",
)


def precisions(report: PrecisionReport | None, served: str) -> str:
    """Every precision that was measured, what is allowed by it, and what is served.

    Args:
        report: of the run; None where nothing was measured.
        served: the precision that the CPU engine is told to use.
    """
    if report is None:
        return f"Only {served} is served: no other precision was measured.\n"
    rule, found = report.rule, report.candidates[0].measured
    return (
        f"Against Keras in float32, on {found.slices} validation slices ({found.groups} groups); int8 by post-training "
        f"quantization, its ranges measured on {report.quantized_on.slices} training slices. Allowed, by a rule fixed "
        f"beforehand: at most {rule.most_opposite} verdicts from one side of the inconclusive band to the other, no "
        f"probability changed by more than {number(rule.largest_change)}, both maps correlated by "
        f"{number(rule.least_correlation)} at the worst decile of slices, a loss of AUC that is not significant and at most "
        f"{number(rule.most_auc_loss)}, at most {number(rule.most_gate_changes)} of the slices on the other side of what is "
        f"like training. Measured on: {report.hardware}. **Served: {served}**; a processor without its instructions takes "
        f"the next allowed.\n\n{table(_COLUMNS, [_row(c) for c in report.candidates])}"
    )


def _row(candidate: Candidate) -> list[str]:
    found = candidate.measured
    loss = Figure(value=found.auc_loss, low=found.auc_loss_low, high=found.auc_loss_high)
    return [
        candidate.name,
        ", ".join(candidate.keeps) or "-",
        number(found.speed),
        number(found.ms_per_slice),
        number(found.auc),
        with_interval(loss),
        number(found.largest_change),
        number(found.median_change),
        str(found.opposite),
        str(found.into_or_out_of_band),
        str(found.gate_changes),
        f"{number(found.share.median)}, {number(found.share.worst_decile)}",
        f"{number(found.evidence.median)}, {number(found.evidence.worst_decile)}",
        "yes" if candidate.is_allowed else f"no: {', '.join(candidate.faults)}",
    ]
