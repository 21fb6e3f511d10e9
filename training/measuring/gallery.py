"""A page of the worst mistakes: plain slices beside their heat maps, for whoever wants to know why.

One file without any asset of its own, for use where the data lie: the pictures belong to their sources.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from app import NOTICE
from app.ct.heatmap import image_png, overlay_png
from training.measuring.scoring import Scored, Shown
from training.records.catalog import Record

GALLERY = "failures.html"
_MOST = 12
"""Cases of a kind; more are not looked at."""


@dataclass(frozen=True)
class Mistake:
    """A case on the page.

    Attributes:
        file: as its manifest names it.
        dataset: it is of.
        group: it is of.
        label: what it is.
        probability: of COVID-19, 0..1.
        slices: of the case that were scored.
        index: of the slice shown, in its file.
        refused: why serving would refuse the case; empty where it would not.
        plain: the slice, a PNG as data URI.
        heat: the slice with its heat map over it, the same.
    """

    file: str
    dataset: str
    group: str
    label: str
    probability: float
    slices: int
    index: int
    refused: str
    plain: str
    heat: str


def false_positives(cases: Sequence[Scored]) -> list[Scored]:
    """Cases without COVID-19 that were called COVID-19, most probable first."""
    wrong = [c for c in cases if c.called and not c.record.label]
    return sorted(wrong, key=_probability, reverse=True)


def false_negatives(cases: Sequence[Scored]) -> list[Scored]:
    """Cases of COVID-19 that were not called so, least probable first."""
    return sorted((c for c in cases if not c.called and c.record.label), key=_probability)


def most_confident(cases: Sequence[Scored]) -> list[Scored]:
    """Wrong calls of either kind, the furthest from their label first."""
    wrong = [c for c in cases if c.called != bool(c.record.label)]
    return sorted(wrong, key=lambda c: abs(_probability(c) - c.record.label), reverse=True)


def _probability(case: Scored) -> float:
    if case.probability is None:
        raise ValueError("a case without a probability is no mistake")
    return case.probability


def write_gallery(
    cases: Sequence[Scored], path: Path, *, name: Callable[[Record], str], facts: dict[str, str], most: int = _MOST
) -> None:
    """Write the page; where nothing went wrong it says so.

    Args:
        cases: scored.
        path: of the page.
        name: of a record, as its manifest has it.
        facts: what was evaluated, by heading.
        most: cases of a kind.
    """
    sections = {
        "At or above the threshold, but is not COVID-19": false_positives(cases),
        "Is COVID-19, but below the threshold": false_negatives(cases),
        "Furthest from the truth, of either kind": most_confident(cases),
    }
    shown = {
        title: ([_mistake(case, case.shown, name) for case in found[:most] if case.shown], len(found))
        for title, found in sections.items()
    }
    page = templates().get_template("failures.html").render(notice=NOTICE, facts=facts, sections=shown)
    path.write_text(page, encoding="utf-8")


def templates() -> Environment:
    """The pages of training; what is put into them is escaped."""
    loader = PackageLoader("training.measuring", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _mistake(case: Scored, shown: Shown, name: Callable[[Record], str]) -> Mistake:
    """The case with its pictures, read again: keeping every slice scored would fill the memory."""
    gray = shown.record.read().slices[shown.index].gray
    return Mistake(
        file=name(shown.record),
        dataset=shown.record.dataset,
        group=shown.record.group,
        label="COVID-19" if case.record.label else "not COVID-19",
        probability=_probability(case),
        slices=len(case.logits),
        index=shown.index,
        refused=case.refused,
        plain=_uri(image_png(gray)),
        heat=_uri(overlay_png(gray, shown.heat, shown.box)),
    )


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
