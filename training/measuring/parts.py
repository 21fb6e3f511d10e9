"""What the parts of an evaluation's records say of its figures: whether they may have trained the model."""

from collections.abc import Iterator, Mapping
from typing import Any

from training.records.catalog import Part

NOT_SAID = "not said"
"""The part of a record that ``prepare`` has not parted, in ``metrics.json``."""


def told_parts(report: Mapping[str, Any]) -> str:
    """Records of each part, with what part train means: its figures are of what the model has learned by heart; and what it
    means that a record has none.
    """
    counts = report["parts"]
    told = [", ".join(f"{part} {count}" for part, count in counts.items())]
    if Part.TRAIN in counts:
        told.append("Records of part train may have trained this model: the figures flatter")
    if counts.get(NOT_SAID):
        told += _not_said(report)
    return ". ".join(told)


def _not_said(report: Mapping[str, Any]) -> Iterator[str]:
    """What cannot be known of records that `prepare` has not parted, in sentences."""
    learned = report["trained_with"].get("data", "")
    known = f"it learned from {learned}" if learned else "what it learned from is not said either"
    yield f"Nobody says whether the {report['parts'][NOT_SAID]} not said trained this model: {known}"
    if same := sorted(set(report["per_source"]) & set(learned.split(", "))):
        yield f"{', '.join(same)} is a data set of a name that it learned from"
    yield (
        "Figures on pictures that it learned from flatter, under whatever name: `covidct-train prepare` of both together finds "
        "what is there twice"
    )
