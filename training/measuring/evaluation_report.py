"""``report.md`` and ``report.html`` of one evaluation: what ``metrics.json`` holds, for people, with the figures beside it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import NOTICE
from app.ct.diagnosis import Verdict
from training.markdown import table
from training.measuring.figures import words
from training.measuring.gallery import GALLERY, templates
from training.measuring.illustrate import (
    DECISION,
    PRECISION_RECALL,
    PREVALENCE,
    PROBABILITIES,
    RELIABILITY,
    ROC,
    SOURCES,
)
from training.measuring.parts import told_parts
from training.measuring.scoring import By
from training.metrics.evaluation import Interval

MARKDOWN, PAGE = "report.md", "report.html"
_ONE_BY_ONE = (
    "; a patient's slices were read one by one: that they differ in size or that one is unreadable is not counted"
)
_METRICS = {
    "auc": "AUC",
    "average_precision": "average precision (area under the precision-recall curve)",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "PPV at this set's prevalence",
    "npv": "NPV at this set's prevalence",
    "iou": "IoU of labels",
    "f1": "F1",
    "brier": "Brier score",
    "calibration_slope": "calibration slope (1 is perfect)",
    "calibration_intercept": "intercept of that line",
    "calibration_in_the_large": "calibration in the large (0 is perfect; below 0, probabilities are too high)",
    "calibration_error": "expected calibration error (ten equal bins)",
}
_BY_SOURCE = {"auc": "AUC", "sensitivity": "sensitivity", "specificity": "specificity", "accuracy": "accuracy"}
_MAPS = {
    "pointing_game": "pointing game",
    "energy_in_lesion": "energy in lesion",
    "lesion_share": "… by chance: lesion's share of the map",
    "average_precision": "average precision",
    "dice": "Dice at the fixed threshold",
    "energy_in_lung": "energy in lung",
    "energy_in_lung_or_lesion": "energy in lung, lesions counted as lung",
    "lung_share": "… by chance: lung's share of the map",
}


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        title: heading.
        words: paragraphs before the table.
        columns: of the table; empty where there is none.
        rows: of the table.
        figures: file names beside the report.
    """

    title: str
    words: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    figures: tuple[str, ...] = ()


def write_report(report: Mapping[str, Any], out: Path) -> None:
    """Write both files.

    Args:
        report: what ``metrics.json`` holds.
        out: the evaluation's folder, where the figures lie.
    """
    sections = [section for section in _sections(report) if section is not None]
    title = f"{report['model']['name']} on {' and '.join(report['data'])}"
    (out / MARKDOWN).write_text(_markdown(title, sections), encoding="utf-8")
    page = templates().get_template(PAGE).render(title=title, notice=NOTICE, sections=sections, gallery=GALLERY)
    (out / PAGE).write_text(page, encoding="utf-8")


def _sections(report: Mapping[str, Any]) -> Iterator[Section | None]:
    yield _what(report)
    yield _metrics(report)
    yield _verdicts(report)
    yield _sources(report)
    yield _calibration(report)
    yield _chosen(report)
    yield _predictive(report)
    yield _decision(report)
    yield _maps(report)
    yield _refusals(report)


def _what(report: Mapping[str, Any]) -> Section:
    model, trained = report["model"], report["trained_with"]
    facts = {
        "model": f"{model['name']}, weights {model['weights_sha256'][:12]}, engine {model['engine']}",
        "trained on": trained.get("data", "not said"),
        "data": " and ".join(report["data"]),
        "where": ", ".join(report["where"]) or "all records",
        "parts": told_parts(report),
        "one case is a": report["by"],
        "positive class": report["positive_class"],
        "threshold": f"{report['threshold']:.3f} on the probability of COVID-19, chosen {report['threshold_chosen']}",
        "cases": f"{report['cases']}, of which {report['n']} scored ({report['positives']} positive, "
        f"{report['groups']} groups) and {report['unscored']} could not be read",
        "refused": f"{report['refused']} would be refused by the service, {_words(report['refused_share'])}"
        f"{_ONE_BY_ONE if report['by'] == By.PATIENT else ''}",
        **({"slices of an exam": _of_an_exam(report["slices_at_most"])} if "slices_at_most" in report else {}),
        "intervals": f"95 %, bootstrap of groups, {report['bootstrap']['draws']} draws, "
        f"seed {report['bootstrap']['seed']}; the fewer groups, the more they are too narrow",
    }
    alone = ", ".join(report["without_patients"])
    words = (
        f"No patient or group is known in {alone}: every picture counts as a patient of its own, so intervals are too narrow. "
        "Write a manifest with the column group."
    )
    both = report.get("patients_of_both_labels", 0)
    twice = f"{both} patients have slices of both labels: each counts as two cases, one of either label."
    told = (*((words,) if alone else ()), *((twice,) if both else ()))
    return Section("What was measured", told, rows=tuple(facts.items()), columns=("", ""))


def _of_an_exam(most: int | str) -> str:
    told = "all that show lung" if most == "all" else f"at most {most} of those that show lung"
    return f"{told}, as the service scores on this machine unless asked for others"


def _metrics(report: Mapping[str, Any]) -> Section:
    accepted = report["accepted"]
    rows = tuple(
        (name, _words(report["metrics"][key]), _words(accepted["metrics"][key])) for key, name in _METRICS.items()
    )
    note = (
        "All that could be scored, also what the service would refuse; beside it what it would accept. AUC is of scores. "
        "Where a figure needs both classes and there is one, it does not exist."
    )
    columns = ("", f"all scored ({report['n']})", f"accepted ({accepted['n']})")
    return Section("Figures", (note,), columns, rows, _there(report, ROC, PRECISION_RECALL, PROBABILITIES))


def _verdicts(report: Mapping[str, Any]) -> Section:
    """What is said of a case; a figure at the threshold counts what is inconclusive to one side or the other."""
    other = next(name for name in ("COVID-19", "non-COVID-19") if name != report["positive_class"])
    of_class = {"positives": report["positive_class"], "negatives": other}
    rows = tuple(
        (f"{name}, {what}", *(str(counts["verdicts"][key][verdict]) for verdict in Verdict))
        for key, name in of_class.items()
        for what, counts in (("all scored", report), ("accepted", report["accepted"]))
    )
    note = (
        "By the bands that the model serves with. Sensitivity, specificity and the like are at the threshold, inside the "
        "inconclusive band too; what the service would refuse it says nothing of."
    )
    return Section("What the service says", (note,), ("cases", *Verdict), rows)


def _sources(report: Mapping[str, Any]) -> Section:
    rows = tuple(
        (
            name,
            f"{source['n']} ({source['positives']})",
            str(source["groups"]),
            str(source["refused"]),
            *(_words(source["metrics"][key]) for key in _BY_SOURCE),
        )
        for name, source in report["per_source"].items()
    )
    columns = ("data set", "scored (positive)", "groups", "refused", *_BY_SOURCE.values())
    note = "A figure over several sources can rest on telling the sources apart; the figures within each cannot."
    return Section("By source", (note,), columns, rows, _there(report, SOURCES))


def _calibration(report: Mapping[str, Any]) -> Section | None:
    rows = tuple((f"{b['given']:.3f}", _words(b["true"]), str(b["n"]), str(b["groups"])) for b in report["reliability"])
    if not rows:
        return None
    columns = ("mean probability given", "share that is positive", "cases", "groups")
    return Section("Calibration", (), columns, rows, _there(report, RELIABILITY))


def _chosen(report: Mapping[str, Any]) -> Section:
    thresholds, fitted = report["thresholds"], report["recalibration"]
    if thresholds is None or fitted is None:
        note = "Nothing is chosen here: not all of these records are of part validation, or they are of one class."
        return Section("What could be chosen", (note,))
    note = (
        "All of these records are of part validation, so thresholds and recalibration may be chosen on them. Another "
        "evaluation of the same model takes a threshold over with --threshold-from this folder's metrics.json."
    )
    chosen = [(f"threshold {name}", f"{value:.3f}") for name, value in thresholds.items()]
    fits = {"temperature": "temperature", "platt_slope": "Platt slope", "platt_intercept": "Platt intercept"}
    losses = [
        (f"log loss {name.replace('_', ' ')}", "-" if value is None else f"{value:.4f}")
        for name, value in fitted["log_loss"].items()
    ]
    rows = (*chosen, *((name, _words(fitted[key])) for key, name in fits.items()), *losses)
    return Section("What could be chosen", (note,), ("", ""), rows)


def _predictive(report: Mapping[str, Any]) -> Section | None:
    rows = tuple(
        (f"{100 * row['prevalence']:g} %", _words(row["ppv"]), _words(row["npv"]))
        for row in report["predictive_values"]
    )
    if not rows:
        return None
    note = "At the threshold, if sensitivity and specificity were the same elsewhere, which they seldom are."
    return Section("Predictive values", (note,), ("prevalence", "PPV", "NPV"), rows, _there(report, PREVALENCE))


def _decision(report: Mapping[str, Any]) -> Section | None:
    rows = tuple(
        (f"{row['threshold']:.2f}", _words(row["net_benefit"]), f"{row['all_treated']:.3f}")
        for row in report["decision_curve"]
    )
    if not rows:
        return None
    note = "True positives less false ones at the odds of the threshold, per case; acting on nobody has 0."
    columns = ("act from probability", "net benefit of the score", "of acting on everybody")
    return Section("Decision curve", (note,), columns, rows, _there(report, DECISION))


def _maps(report: Mapping[str, Any]) -> Section:
    inside, found = report["evidence_in_lung"], report["localization"]
    of_heat = (
        f"Of the heat of the {inside['n']} cases at or above the threshold whose lungs were found, {_words(inside)} lies "
        "inside the lungs (mean of their strongest slices)."
    )
    note = (of_heat,) if inside["n"] else ()
    if found is None:
        return Section("Heat maps", (*note, "There are no masks to measure them against."))
    counts = (
        f"{found['n']} slices in {found['groups']} groups have a mask that shows a lesion; the masks of "
        f"{found['without_lesion']} show none. Lungs were not found on {found['without_lungs']}."
    )
    if found["masks_not_used"]:
        reasons = Counter(one["why"] for one in report["masks_not_used"])
        told = " ".join(f"{text} ({count} times)" for text, count in reasons.most_common())
        counts += f" {found['masks_not_used']} masks are not used: {told} Which, metrics.json tells."
    if not found["n"]:
        return Section("Heat maps", (*note, counts))
    rows = tuple((name, _words(found[key]), _words(found["evidence"][key])) for key, name in _MAPS.items())
    return Section("Heat maps", (*note, counts), ("", "heat map", "evidence map"), rows)


def _refusals(report: Mapping[str, Any]) -> Section:
    counts = Counter(refusal["why"] for refusal in report["refusals"])
    if not counts:
        return Section("Refused", ("The service would refuse none of these.",))
    rows = tuple((why, str(count)) for why, count in counts.most_common())
    return Section("Refused", ("Counted here and scored all the same where they can be read.",), ("why", "cases"), rows)


def _there(report: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    return tuple(name for name in names if name in report["figures"])


def _words(figure: Mapping[str, Any]) -> str:
    return words(Interval(figure["value"], low=figure["low"], high=figure["high"]))


def _markdown(title: str, sections: Sequence[Section]) -> str:
    parts = [f"# {title}\n", f"**{NOTICE}**\n", *(_markdown_section(section) for section in sections)]
    parts.append(f"## Failures\n\n[The worst mistakes with their heat maps]({GALLERY}), for use where the data lie.\n")
    return "\n".join(parts)


def _markdown_section(section: Section) -> str:
    parts = [f"## {section.title}\n", *(f"{paragraph}\n" for paragraph in section.words)]
    if section.rows:
        parts.append(table(section.columns, section.rows))
    parts += [f"![{name.removesuffix('.png')}]({name})\n" for name in section.figures]
    return "\n".join(parts)
