"""``covidct-train cohort``: who the patients of a table are, and how CT and RT-PCR did on them.

What the paper's Table 1 says of its cohort and its Table 4 of patients without complaints, for any table.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from app import NOTICE
from training.markdown import table as markdown_table
from training.measuring.figures import words
from training.metrics.evaluation import Interval, as_numbers
from training.metrics.paired import Paired, proportion
from training.studies.cohort_table import Patient, Reference, read_cohort, unused_columns

NUMBERS, TABLES = "cohort.json", "cohort.md"
_BANDS = ((0, 17), (18, 39), (40, 59), (60, 79), (80, 129))
_SAID = {
    "male": "male",
    "ct": "CT",
    "rt_pcr": "RT-PCR",
    "rt_pcr_positive": "RT-PCR positive",
    "ct_positive": "CT positive",
    "reference_positive": "COVID-19 by the reference",
}


def cohort(
    table: Path, out: Path, *, threshold: float | None = None, reference: Reference = "column"
) -> dict[str, Any]:
    """Describe a cohort; write ``cohort.json`` and ``cohort.md``, which hold counts and no patient.

    Args:
        table: CSV.
        out: folder to write into.
        threshold: on the column ``probability``, from which on CT counts as positive; None: the column ``ct``.
        reference: where it is known who has COVID-19: the column of that name, or all, a cohort of confirmed patients.

    Returns:
        What ``cohort.json`` holds.

    Raises:
        CohortError: the table cannot be used.
    """
    patients = read_cohort(table, threshold=threshold, reference=reference)
    report = {
        "notice": NOTICE,
        "table": table.name,
        "reference": reference,
        "threshold": threshold,
        "unused_columns": unused_columns(table, threshold=threshold),
        "description": describe(patients),
        "tests": compare_tests(patients),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / NUMBERS).write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    (out / TABLES).write_text(_markdown(report), encoding="utf-8")
    return report


def describe(patients: Sequence[Patient]) -> dict[str, Any]:
    """Who they are: counts, age, sex (Wilson's interval), and shares positive (Clopper and Pearson's)."""
    return {
        "n": len(patients),
        "age": _ages([p.age_years for p in patients if p.age_years is not None]),
        "male": _share([p.male for p in patients], method="wilson"),
        "rt_pcr_positive": _share([p.rt_pcr for p in patients]),
        "ct_positive": _share([p.ct for p in patients]),
        "reference_positive": _share([p.reference for p in patients]),
    }


def _ages(ages: Sequence[float]) -> dict[str, Any] | None:
    if not ages:
        return None
    quartiles = np.percentile(ages, (25, 50, 75))
    return {
        "n": len(ages),
        "mean": float(np.mean(ages)),
        "sd": float(np.std(ages, ddof=1)) if len(ages) > 1 else None,
        "median": float(quartiles[1]),
        "quartiles": [float(quartiles[0]), float(quartiles[2])],
        "range": [float(min(ages)), float(max(ages))],
        "bands": {_band(low, high): sum(low <= age < high + 1 for age in ages) for low, high in _BANDS},
    }


def _band(low: int, high: int) -> str:
    return f"{low} to {high}" if high < _BANDS[-1][1] else f"{low} and older"


def _share(answers: Sequence[bool | None], *, method: Literal["exact", "wilson"] = "exact") -> dict[str, Any]:
    known = [answer for answer in answers if answer is not None]
    found = proportion(sum(known), len(known), method=method)
    return {"hits": sum(known), "n": len(known), **as_numbers({"": found})[""]}


def compare_tests(patients: Sequence[Patient]) -> dict[str, Any]:
    """How CT and RT-PCR did: each among the confirmed and among those known to be free, and paired on the confirmed.

    Where nobody is confirmed there is no sensitivity; the two are then compared on those of whom nothing is known, and where
    all are known to be free, on these.
    """
    confirmed = [p for p in patients if p.reference]
    free = [p for p in patients if p.reference is False]
    unknown = [p for p in patients if p.reference is None]
    asked = {"confirmed": confirmed, "all whose truth is not known": unknown, "all known to be free": free}
    compared = next((name for name, group in asked.items() if group), "confirmed")
    return {
        "sensitivity": {name: _share([of(p) for p in confirmed]) for name, of in _TESTS.items()},
        "specificity": {name: _share(_inverted([of(p) for p in free])) for name, of in _TESTS.items()},
        "paired": _paired(asked[compared]),
        "paired_on": compared,
    }


_TESTS: dict[str, Callable[[Patient], bool | None]] = {"ct": lambda p: p.ct, "rt_pcr": lambda p: p.rt_pcr}


def _inverted(answers: Sequence[bool | None]) -> list[bool | None]:
    return [None if answer is None else not answer for answer in answers]


def _paired(patients: Sequence[Patient]) -> dict[str, Any] | None:
    """CT less RT-PCR among those who had both; None where nobody had."""
    counts = {(ct, pcr): sum(p.ct is ct and p.rt_pcr is pcr for p in patients) for ct in _EITHER for pcr in _EITHER}
    table = Paired(counts[True, True], counts[True, False], counts[False, True], counts[False, False])
    if table.n == 0:
        return None
    return {
        "n": table.n,
        "both": table.both,
        "ct_only": table.first_only,
        "rt_pcr_only": table.second_only,
        "neither": table.neither,
        "mcnemar_p": table.mcnemar,
        **as_numbers({"difference": table.difference}),
    }


_EITHER = (True, False)


def _markdown(report: dict[str, Any]) -> str:
    text, tests = report["description"], report["tests"]
    rows = [["patients", str(text["n"])], *_age_rows(text["age"])]
    names = ("male", "rt_pcr_positive", "ct_positive", "reference_positive")
    rows += [[_SAID[name], _share_words(text[name])] for name in names if text[name]["n"]]
    table = [
        [_SAID[test], *(_share_words(tests[kind][test]) for kind in ("sensitivity", "specificity"))] for test in _TESTS
    ]
    unused = ", ".join(report["unused_columns"])
    return (
        f"# Cohort {report['table']}\n\n**{NOTICE}**\n\nIntervals are 95 %; of shares Clopper and Pearson's, of men Wilson's."
        f"{f' Columns not used: {unused}.' if unused else ''}"
        f"\n\n## Who they are\n\n{markdown_table(['', ''], rows)}\n## How the tests did\n\n"
        f"{markdown_table(['test', 'sensitivity', 'specificity'], table)}\n{_paired_words(tests)}\n"
    )


def _age_rows(ages: dict[str, Any] | None) -> list[list[str]]:
    if ages is None:
        return []
    sd = "" if ages["sd"] is None else f" (standard deviation {ages['sd']:.1f})"
    low, high = ages["quartiles"]
    bands = [[f"aged {band}", f"{count} ({100 * count / ages['n']:.1f} %)"] for band, count in ages["bands"].items()]
    return [
        ["age known", str(ages["n"])],
        ["mean age", f"{ages['mean']:.1f}{sd}"],
        ["median age (quartiles)", f"{ages['median']:.1f} ({low:.1f} to {high:.1f})"],
        *bands,
    ]


def _share_words(found: dict[str, Any]) -> str:
    share = Interval(found["value"], low=found["low"], high=found["high"])
    return f"{found['hits']} of {found['n']}: {words(share)}" if found["n"] else "-"


def _paired_words(tests: dict[str, Any]) -> str:
    paired = tests["paired"]
    if paired is None:
        return f"Of those compared ({tests['paired_on']}) nobody had both tests, so the two cannot be compared."
    difference = Interval(**paired["difference"])
    p = "they never disagree" if paired["mcnemar_p"] is None else f"p = {paired['mcnemar_p']:.2g}"
    return (
        f"On the {paired['n']} patients who had both ({tests['paired_on']}): {paired['both']} positive by both, "
        f"{paired['ct_only']} by CT alone, {paired['rt_pcr_only']} by RT-PCR alone, {paired['neither']} by neither. CT less "
        f"RT-PCR: {words(difference)} (Newcombe's method 10); McNemar's exact test: {p}."
    )
