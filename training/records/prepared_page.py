"""``prepare.md``: what was found and decided, for people. It names no file, no group and no patient."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app import NOTICE

_Row = Mapping[str, Any]


def page(report: _Row) -> str:
    """The page for what ``prepare.json`` holds."""
    sections = [
        f"# What was prepared\n\n{NOTICE}",
        _decisions(report),
        _counts(report),
        _dropped(report),
        _alike(report),
        _shortcuts(report),
    ]
    return "\n\n".join(sections) + "\n"


def _decisions(report: _Row) -> str:
    fold = report["test_fold"]
    said = [
        f"{report['records']} records are kept, {report['exams']} of them whole exams.",
        f"Seed of the split: {report['seed']}.",
        f"Held out whole: {', '.join(report['holdout']) or 'no data set'}.",
        f"Part test is fold {fold} of {', '.join(report['folded']) or 'no data set'}; official parts of these are set aside."
        if fold
        else "No fold is set aside as test.",
        *report["remarks"],
    ]
    return "## Decided\n\n" + "\n".join(f"- {sentence}" for sentence in said)


def _counts(report: _Row) -> str:
    parts = sorted({row["part"] for row in report["counts"]})
    cells = {(r["dataset"], r["label"], r["part"]): f"{r['records']} ({r['groups']})" for r in report["counts"]}
    lines = [
        [dataset, str(label), *(cells.get((dataset, label, part), "") for part in parts)]
        for dataset, label in sorted({(r["dataset"], r["label"]) for r in report["counts"]})
    ]
    return "## Records (groups) by source, label and part\n\n" + _table(["source", "label", *parts], lines)


def _dropped(report: _Row) -> str:
    if not report["dropped"]:
        return "## Dropped\n\nNothing."
    lines = [[why, str(count)] for why, count in report["dropped"].items()]
    return "## Dropped\n\nWhich ones, prepare.json says.\n\n" + _table(["why", "records"], lines)


def _alike(report: _Row) -> str:
    said = (
        f"{len(report['leaks'])} pairs leak between the parts, {len(report['label_conflicts'])} are one picture under two "
        f"labels, {len(report['duplicates'])} more are there twice; prepare.json lists them. Of what was dropped as a leak "
        "the pairs are still listed. Two slices of one group that are next to each other are only counted."
    )
    names = ("dataset", "other", "kind", "meaning", "pairs")
    lines = [[str(row[name]) for name in names] for row in report["alike"]]
    return f"## Alike\n\n{said}" + ("\n\n" + _table(names, lines) if lines else "")


def _shortcuts(report: _Row) -> str:
    said = (
        "AUC of a logistic regression on size, gray level, border and sharpness, which say nothing about disease, with 95 % "
        "intervals by group (1000 bootstrap samples). Part train is cross-validated by group. Every result must beat these."
    )
    names = ("fitted_on", "measured_on", "part", "features", "n", "groups")
    lines = [[*(str(row[name]) for name in names), figure(row)] for row in report["shortcut"]]
    table = _table(["fitted on", "measured on", "part", "features", "records", "groups", "AUC"], lines)
    return f"## Shortcut baseline\n\n{said}\n\n" + (table if lines else "No source has both labels in training.")


def figure(row: _Row) -> str:
    """A figure with its interval, in words."""
    if row["value"] is None:
        return "does not exist"
    return f"{row['value']:.3f}" + ("" if row["low"] is None else f" ({row['low']:.3f} to {row['high']:.3f})")


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows)
