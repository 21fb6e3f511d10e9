"""MODEL_CARD.md, in the form Hugging Face reads, from a run's files and nothing else.

No figure is written here by hand: each comes from run.json or from the metrics.json of an evaluation of these weights.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from app import NOTICE
from app.ct.exam_rule import Decision, ExamRule
from training.run import Evaluation, Figure, PartCount, Run, Source
from training.sources import SOURCES, UNKNOWN

_METRICS = {
    "auc": "AUC",
    "accuracy": "ACC",
    "f1": "F1",
    "sensitivity": "SENS",
    "specificity": "SPE",
    "iou": "IoU",
    "brier": "Brier",
    "calibration_slope": "calibration slope",
}
_MAP_FIGURES = {
    "pointing_game": "pointing game",
    "energy_in_lesion": "energy in lesion",
    "average_precision": "average precision",
    "dice": "Dice",
    "lesion_share": "by chance",
}
_INTENDED = f"""\
{NOTICE}

For research on chest CT: given the axial slices of one exam in the lung window (DICOM, or JPEG of the lung window), the
model gives a probability of COVID-19 for the exam and for each slice, and shows which places of a slice argued for it.
"""
_OUT_OF_SCOPE = """\
Diagnosis, triage or screening of patients; any use without a reader who knows the images; children; chest radiographs;
other windows, reformats, contrast studies of vessels; telling one pneumonia from another where COVID-19 is not in
question. The heat map is evidence for the score, not a lesion mask. A probability here is not a probability of disease
in a population: that depends on the prevalence.
"""


def model_card(
    name: str,
    run: Run,
    evaluations: Sequence[Evaluation],
    transfers: Sequence[Evaluation] = (),
    refusals: Sequence[Evaluation] = (),
) -> str:
    """The card of a model.

    Args:
        name: of the model.
        run: that trained it.
        evaluations: of its weights.
        transfers: of the same recipe trained without a data set, on that data set.
        refusals: of its weights on pictures of anything else, which are to be refused.
    """
    sections = {
        "Intended use": _INTENDED,
        "Out of scope": _OUT_OF_SCOPE,
        "Training data": _data(run),
        "Training": _training(run),
        "Figures": _figures(evaluations),
        "One source predicted from the others": _transfers(transfers),
        "Heat maps against lesions drawn by people": _maps(evaluations),
        "Thresholds and the exam rule": _decisions(run),
        "What is not judged at all": _refused(run, evaluations, refusals),
        "Limitations": _bullets(run.limitations) or "None were written down by the run.\n",
    }
    body = "\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    return f"{_header(name, evaluations)}\n# {name}\n\n**{NOTICE}**\n\n{body}"


def _header(name: str, evaluations: Sequence[Evaluation]) -> str:
    """YAML; values are quoted as JSON, which YAML reads."""
    lines = [
        "license: other",
        "license_name: research-use-only",
        "library_name: keras",
        "pipeline_tag: image-classification",
        "tags: [medical, chest-ct, covid-19, resnet50]",
    ]
    results = [line for e in evaluations for line in _results(e)]
    if results:
        lines += ["model-index:", f"- name: {name}", "  results:", *results]
    return "\n".join(["---", *lines, "---", ""])


def _results(evaluation: Evaluation) -> Iterable[str]:
    figures = {key: f for key, f in evaluation.metrics.items() if key in _METRICS and f.value is not None}
    if not figures:
        return
    yield "  - task: {type: image-classification}"
    yield f"    dataset: {{type: {json.dumps(evaluation.title)}, name: {json.dumps(_title(evaluation))}}}"
    yield "    metrics:"
    for key, figure in figures.items():
        yield f"    - {{type: {key}, value: {_number(figure.value)}}}"


def _data(run: Run) -> str:
    rows = []
    for dataset in sorted({c.dataset for c in run.data}):
        known = SOURCES.get(dataset, UNKNOWN)
        counts = [c for c in run.data if c.dataset == dataset]
        rows.append([dataset, known.what, *(_count(counts, part) for part in ("train", "validation")), known.terms])
    table = _table(["data set", "what", "train", "validation", "terms"], rows)
    return f"Records, COVID-19 + other, with their groups (patients or blocks) in brackets.\n\n{table}"


def _count(counts: Sequence[PartCount], part: str) -> str:
    chosen = [c for c in counts if c.part == part]
    by_label = [sum(c.records for c in chosen if c.label == label) for label in (1, 0)]
    return f"{by_label[0]} + {by_label[1]} ({sum(c.groups for c in chosen)})" if chosen else "-"


def _training(run: Run) -> str:
    facts = {
        "recipe": run.recipe,
        "command": f"`{run.command}`",
        "date": str(run.date),
        "seed": str(run.seed),
        "time of the last session": f"{run.hours:.1f} h on {run.hardware}; steps kept from earlier ones are not counted",
        "backbone started from": run.backbone_weights,
        "network": f"ResNet50, head {run.network.head}, stages {', '.join(map(str, run.network.stages))}, "
        f"input {run.network.size} x {run.network.size}",
        "preprocessing": f"{run.preprocessing.name} ({run.preprocessing.fingerprint})",
        "libraries": ", ".join(f"{name} {version}" for name, version in sorted(run.versions.items())) or "not recorded",
    }
    table = _table(["", ""], [[key, value] for key, value in facts.items()])
    return f"{run.summary.strip()}\n\n{table}" if run.summary else table


def _figures(evaluations: Sequence[Evaluation]) -> str:
    if not evaluations:
        return "These weights have not been evaluated.\n"
    return (
        "Validation parts never trained, but they chose calibration, thresholds, bands, the exam rule and the recipe's "
        "settings, so their figures flatter. Positive class COVID-19 unless said otherwise; 95 % intervals by bootstrap of "
        "groups. IoU is of labels. Dash: "
        "it does not exist there, such as the AUC of one class. Records that the service would refuse are "
        f"counted as refused, and scored all the same.\n\n{_evaluated(evaluations)}"
    )


def _transfers(transfers: Sequence[Evaluation]) -> str:
    if not transfers:
        return "Not measured.\n"
    return (
        "Not these weights: for each row the same recipe was trained again without the data set it is measured on, its "
        f"thresholds chosen on the other sets. This is what to expect at a hospital that gave no data.\n\n{_evaluated(transfers)}"
    )


def _evaluated(evaluations: Sequence[Evaluation]) -> str:
    columns = ["data", "by", "n (positive)", "groups", "refused", "threshold", *_METRICS.values()]
    return _table(columns, [row for e in evaluations for row in _rows(e)])


def _rows(evaluation: Evaluation) -> Iterable[list[str]]:
    yield _row(_title(evaluation), evaluation, evaluation)
    for name, source in _parts(evaluation):
        yield _row(f"… of which {name}", source, evaluation)


def _parts(evaluation: Evaluation) -> list[tuple[str, Source]]:
    """Data sets of an evaluation, where it has several."""
    return sorted(evaluation.per_source.items()) if len(evaluation.per_source) > 1 else []


def _row(title: str, source: Source, evaluation: Evaluation) -> list[str]:
    size = [f"{source.n} ({source.positives})", str(source.groups), str(source.refused)]
    figures = [_with_interval(source.metrics.get(key)) for key in _METRICS]
    return [title, evaluation.by, *size, _number(evaluation.threshold), *figures]


def _title(evaluation: Evaluation) -> str:
    conditions = f" ({', '.join(evaluation.where)})" if evaluation.where else ""
    other = "" if evaluation.positive_class == "COVID-19" else f", positive: {evaluation.positive_class}"
    return f"{evaluation.title}{conditions}{other}"


def _maps(evaluations: Sequence[Evaluation]) -> str:
    rows = []
    for evaluation in evaluations:
        if evaluation.localization is None:
            continue
        evidence = evaluation.localization.get("evidence")
        for what, figures in (("heat map", evaluation.localization), ("evidence map", evidence)):
            if isinstance(figures, dict):
                cells = [_with_interval(f if isinstance(f := figures.get(k), Figure) else None) for k in _MAP_FIGURES]
                rows.append([_title(evaluation), what, str(evaluation.localization["n"]), *cells])
    if not rows:
        return "Not measured.\n"
    return _table(["data", "map", "slices", *_MAP_FIGURES.values()], rows)


def _decisions(run: Run) -> str:
    rule, (slope, intercept) = run.exam_rule, run.calibration
    return (
        f"The network's logit is calibrated as {_number(slope)} x + {_number(intercept)}.\n\n"
        f"Slices and single images: {_decision(run.image)}.\n\n"
        f"Exams: by {_rule(rule)}, then {_number(rule.slope)} x + {_number(rule.intercept)}; "
        f"{_decision(rule.decision)}.\n\n"
        f"**What exam-level calibration rests on:** {rule.rests_on}\n"
    )


def _rule(rule: ExamRule) -> str:
    """The rule's name with what it was set to."""
    own = rule.model_dump(exclude={"name", "slope", "intercept", "decision", "rests_on"}, exclude_none=True)
    settings = ", ".join(f"{name.replace('_', ' ')} {_number(value)}" for name, value in own.items())
    return f"{rule.name} ({settings})" if own else rule.name


def _refused(run: Run, evaluations: Sequence[Evaluation], refusals: Sequence[Evaluation]) -> str:
    fitness = run.fitness
    limits = [f"{_number(fitness.distance_limit)} from training features (slices shown whole)"]
    if fitness.masked_distance_limit is not None:
        limits.append(f"{_number(fitness.masked_distance_limit)} (slices with blackened surroundings)")
    rows = [
        [f"{kind}, {name}", str(source.cases), str(source.groups), _with_interval(source.refused_share)]
        for kind, measured in (("chest CT", evaluations), ("anything else", refusals))
        for evaluation in measured
        if evaluation.by == "slice"
        for name, source in [(_title(evaluation), evaluation), *_parts(evaluation)]
    ]
    table = _table(["pictures", "sent", "groups", "refused"], rows) if rows else "Not measured.\n"
    return (
        f"An exam is refused where no slice shows {_number(fitness.least_lung_area)} of its picture as lung, or most scored "
        f"slices lie further than {' or '.join(limits)}. {fitness.rests_on}\n\n{table}{_listed(evaluations)}"
    )


def _listed(evaluations: Sequence[Evaluation]) -> str:
    """Chest CT that is refused, file by file: its folder and name, without what comes before."""
    refusals = [r for e in evaluations if e.by == "slice" for r in e.refusals]
    files = _bullets([f"{'/'.join(PurePosixPath(r.file).parts[-3:])}: {r.why}" for r in refusals])
    return f"\nChest CT that is refused:\n\n{files}" if files else ""


def _decision(decision: Decision) -> str:
    low, high = decision.band
    return f"threshold {_number(decision.threshold)}, inconclusive from {_number(low)} to {_number(high)}"


def _with_interval(figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return "-"
    if figure.low is None or figure.high is None:
        return _number(figure.value)
    return f"{_number(figure.value)} ({_number(figure.low)} to {_number(figure.high)})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _bullets(sentences: Sequence[str]) -> str:
    return "".join(f"- {sentence}\n" for sentence in sentences)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in line) + " |\n" for line in lines
    )
