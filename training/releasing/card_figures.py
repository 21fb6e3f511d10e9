"""What the card tells of evaluations: figures, heat maps, refusals; one table each."""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from app.ct.diagnosis import Verdict
from training.markdown import bullets, number, table, with_interval
from training.run import Evaluation, Figure, Run, Shortcut, Source

METRICS = {
    "auc": "AUC",
    "accuracy": "ACC",
    "f1": "F1",
    "sensitivity": "SENS",
    "specificity": "SPE",
    "iou": "IoU",
    "brier": "Brier",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "intercept of that line",
    "calibration_in_the_large": "calibration in the large",
}
_MAP_FIGURES = {
    "pointing_game": "pointing game",
    "energy_in_lesion": "energy in lesion",
    "average_precision": "average precision",
    "dice": "Dice",
    "lesion_share": "by chance",
}


def figures(evaluations: Sequence[Evaluation]) -> str:
    """The metrics of every evaluation, and of each data set in it."""
    if not evaluations:
        return "These weights have not been evaluated.\n"
    return (
        "Where the part is validation: it never trained, but it chose calibration, thresholds, bands, the exam rule and the "
        "recipe's settings, so its figures flatter. Positive class COVID-19 unless said otherwise; 95 % intervals by "
        "bootstrap of groups. SENS and SPE are at the threshold, inside the inconclusive band too; how many of the scored the "
        "service leaves inconclusive stands beside the threshold. IoU is of labels. Dash: it does not exist there, such as the "
        "AUC of one class, or was not measured. Records that the "
        "service would refuse are counted as refused, and scored all the same. A patient's slices are read one by one: that they "
        f"differ in size, for which the service would refuse them as one exam, is not counted.\n\n{_evaluated(evaluations)}"
    )


def transfers(measured: Sequence[Evaluation]) -> str:
    """The same recipe on sources that it was trained without."""
    if not measured:
        return "Not measured.\n"
    return (
        "Not these weights: for each row the same recipe was trained again on the data sets named there, without the one it is "
        "measured on, its thresholds chosen on them. This is the nearest there is to a hospital that gave no data. The recipe "
        f"itself was chosen on some of these data.\n\n{_evaluated(measured, trained_on=True)}"
    )


def crossed(measured: Sequence[Evaluation]) -> str:
    """The same recipe on folds that were set aside."""
    if not measured:
        return "Not measured.\n"
    return (
        "Not these weights: the same recipe was trained again for each fold of every data set with both classes, its thresholds "
        "chosen without that fold, and the folds are judged together. The recipe itself was chosen on some of these "
        f"data.\n\n{_evaluated(measured)}"
    )


def _evaluated(evaluations: Sequence[Evaluation], *, trained_on: bool = False) -> str:
    told = ["trained on"] if trained_on else []
    columns = [
        "data",
        *told,
        "by",
        "n (positive)",
        "groups",
        "refused",
        "inconclusive, positive + other",
        "threshold",
        *METRICS.values(),
    ]
    return table(columns, [row for e in evaluations for row in _rows(e, trained_on=trained_on)])


def _rows(evaluation: Evaluation, *, trained_on: bool) -> Iterable[list[str]]:
    learned = [", ".join(sorted(evaluation.trained_on))] if trained_on else []
    parts = [(f"… of which {name}", source) for name, source in _parts(evaluation)]
    for name, source in [(title(evaluation), evaluation), *parts]:
        first, *others = _row(name, source, evaluation)
        yield [first, *learned, *others]


def _parts(evaluation: Evaluation) -> list[tuple[str, Source]]:
    """Data sets of an evaluation, where it has several."""
    return sorted(evaluation.per_source.items()) if len(evaluation.per_source) > 1 else []


def _row(name: str, source: Source, evaluation: Evaluation) -> list[str]:
    size = [f"{source.n} ({source.positives})", str(source.groups), str(source.refused), _inconclusive(source)]
    cells = [with_interval(source.metrics.get(key)) for key in METRICS]
    return [name, evaluation.by, *size, number(evaluation.threshold), *cells]


def _inconclusive(source: Source) -> str:
    if source.verdicts is None:
        return "-"
    of_class = source.verdicts.positives, source.verdicts.negatives
    return " + ".join(str(counts.get(Verdict.INCONCLUSIVE, 0)) for counts in of_class)


def shortcuts(rows: Sequence[Shortcut]) -> str:
    """How far features that say nothing of disease tell the label."""
    if not rows:
        return "What features that say nothing of disease tell of the label was not measured.\n"
    cells = [
        [row.fitted_on, row.measured_on, row.part, row.features, str(row.n), str(row.groups), with_interval(row.figure)]
        for row in rows
    ]
    columns = ["fitted on", "measured on", "part", "features", "n", "groups", "AUC"]
    return (
        "How far a logistic regression on size, gray level, border and sharpness alone, which say nothing of disease, tells the "
        "label; the training part by cross-validation, another data set whole. Below a half it would tell the opposite there; "
        "the parts of a cross-validation are ranked together, which by itself pulls it below a half where groups are few.\n\n"
        f"{table(columns, cells)}"
    )


def title(evaluation: Evaluation) -> str:
    """What was measured on, with its conditions."""
    conditions = f" ({', '.join(evaluation.where)})" if evaluation.where else ""
    other = "" if evaluation.positive_class == "COVID-19" else f", positive: {evaluation.positive_class}"
    return f"{evaluation.title}{conditions}{other}"


def maps(evaluations: Sequence[Evaluation]) -> str:
    """Heat and evidence maps against masks."""
    rows = []
    for evaluation in evaluations:
        if evaluation.localization is None:
            continue
        evidence = evaluation.localization.get("evidence")
        for what, of_map in (("heat map", evaluation.localization), ("evidence map", evidence)):
            if isinstance(of_map, dict):
                cells = [with_interval(f if isinstance(f := of_map.get(k), Figure) else None) for k in _MAP_FIGURES]
                rows.append([title(evaluation), what, str(evaluation.localization["n"]), *cells])
    if not rows:
        return "Not measured.\n"
    return table(["data", "map", "slices", *_MAP_FIGURES.values()], rows)


def refused(run: Run, evaluations: Sequence[Evaluation], refusals: Sequence[Evaluation]) -> str:
    """The limits of what is judged, and how much of chest CT and of anything else lies beyond them."""
    fitness = run.fitness
    limits = [f"{number(fitness.distance_limit)} from training features (slices shown whole)"]
    if fitness.masked_distance_limit is not None:
        limits.append(f"{number(fitness.masked_distance_limit)} (slices with blackened surroundings)")
    rows = [
        [f"{kind}, {name}", str(source.cases), str(source.groups), with_interval(source.refused_share)]
        for kind, measured in (("chest CT", evaluations), ("anything else", refusals))
        for evaluation in measured
        if evaluation.by == "slice"
        for name, source in [(title(evaluation), evaluation), *_parts(evaluation)]
    ]
    found = table(["pictures", "sent", "groups", "refused"], rows) if rows else "Not measured.\n"
    return (
        f"An exam is refused where no slice shows {number(fitness.least_lung_area)} of its picture as lung, or most scored "
        f"slices lie further than {' or '.join(limits)}. {fitness.rests_on}\n\n{found}{_listed(evaluations)}"
    )


def _listed(evaluations: Sequence[Evaluation]) -> str:
    """Chest CT that is refused, file by file: its folder and name, without what comes before."""
    refusals = [r for e in evaluations if e.by == "slice" for r in e.refusals]
    files = bullets([f"{'/'.join(PurePosixPath(r.file).parts[-3:])}: {r.why}" for r in refusals])
    return f"\nChest CT that is refused:\n\n{files}" if files else ""
