"""MODEL_CARD.md, in the form Hugging Face reads, from a run's files and nothing else.

No figure is written here by hand: each comes from run.json or from what was measured on these weights. Sentences of the
recipe state none either; see ``training.stated``.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

from app import NOTICE
from app.ct.exam_rule import Decision, ExamRule
from app.ct.precision import EngineSpec
from training.markdown import bullets, number, table
from training.measured import AFFECTED, EXAM_RULES
from training.records.sources import SOURCES, UNKNOWN
from training.releasing.card_figures import METRICS, crossed, figures, maps, refused, shortcuts, title, transfers
from training.releasing.card_networks import networks
from training.releasing.card_precision import precisions
from training.releasing.card_worth import worth
from training.releasing.findings import Findings
from training.releasing.tabled import as_tables
from training.run import Evaluation, PartCount, Run, Shortcut
from training.stated import check_stated, filled
from training.studies.affected_study import fitted_anew
from training.studies.rule_study import served_and_chosen

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


def model_card(name: str, run: Run, findings: Findings, engine: EngineSpec) -> str:
    """The card of a model.

    Args:
        name: of the model.
        run: that trained it.
        findings: all that was measured on it.
        engine: what the CPU engine serves.

    Raises:
        RunError: a sentence of the recipe states a number of its own.
    """
    check_stated((run.summary, *run.limitations))
    stated = _stated(run, findings)
    summary = filled(run.summary, stated)
    limitations = [filled(text, stated) for text in run.limitations]
    sections = {
        "Intended use": _INTENDED,
        "What this is worth": worth(run, findings),
        "Out of scope": _OUT_OF_SCOPE,
        "Training data": f"{_data(run)}\n{shortcuts(run.shortcut)}",
        "Training": _training(run, summary),
        "Figures": figures(findings.evaluations),
        "One source predicted from the others": transfers(findings.transfers),
        "Folds that nothing of a run saw": crossed(findings.crossed),
        "Heat maps against lesions drawn by people": maps(findings.evaluations),
        "Thresholds and the exam rule": _decisions(run) + _rules(findings, run.exam_rule),
        **({"Share of lung affected": found} if (found := _affected(findings)) else {}),
        "Audits": "\n".join(as_tables(d, title=t) for t, d in findings.audits) or "None were made.\n",
        "Precision of the CPU engine": precisions(findings.precision, engine.precision),
        **({"Beside other networks": networks(findings.comparison, findings.pairs)} if findings.comparison else {}),
        "What is not judged at all": refused(run, findings.evaluations, findings.refusals),
        "Limitations": bullets(limitations) or "None were written down by the run.\n",
    }
    body = "\n".join(f"## {heading}\n\n{text}" for heading, text in sections.items())
    return f"{_header(name, run, findings.evaluations)}\n# {name}\n\n**{NOTICE}**\n\n{body}"


def _stated(run: Run, findings: Findings) -> Mapping[str, object]:
    """Figures that a sentence of the recipe may name, by kind, then by title or data set, then by name."""

    def of(measured: Sequence[Evaluation]) -> dict[str, dict[str, float | None]]:
        return {e.title: {metric: figure.value for metric, figure in e.metrics.items()} for e in measured}

    return {
        "shortcut": _shortcuts(run.shortcut),
        "network": run.network.model_dump(),
        "evaluations": of(findings.evaluations),
        "transfers": of(findings.transfers),
        "crossed": of(findings.crossed),
    }


def _shortcuts(rows: Sequence[Shortcut]) -> dict[str, dict[str, float | None]]:
    """By the data set fitted on; then the part, or another data set that it was carried to, and the features if not all."""
    found: dict[str, dict[str, float | None]] = {}
    for row in rows:
        where = row.part if row.measured_on == row.fitted_on else row.measured_on
        found.setdefault(row.fitted_on, {})[where if row.features == "all" else f"{where} {row.features}"] = row.value
    return found


def _rules(findings: Findings, served: ExamRule) -> str:
    """The study of exam rules. What the rule rests on that it would choose is not what the served one rests on."""
    found = dict(findings.studies).get(EXAM_RULES)
    if found is None:
        return ""
    said = served_and_chosen(found, served)
    shown = {name: value for name, value in found.items() if name not in ("rests_on", "chosen", "served")}
    return f"\n{said}\n\n{as_tables(shown, title='Measured')}" if said else f"\n{as_tables(shown, title='Measured')}"


def _affected(findings: Findings) -> str:
    """The study of the share of lung affected. What a fit now comes to is a sentence beside its figures."""
    found = dict(findings.studies).get(AFFECTED)
    if found is None:
        return ""
    said = fitted_anew(found)
    shown = {name: value for name, value in found.items() if name != "fitted_anew"}
    tables = as_tables(shown, title="Measured")
    return f"\n{said}\n\n{tables}" if said else f"\n{tables}"


def _header(name: str, run: Run, evaluations: Sequence[Evaluation]) -> str:
    """YAML; values are quoted as JSON, which YAML reads."""
    lines = [
        "license: other",
        "license_name: research-use-only",
        "library_name: keras",
        "pipeline_tag: image-classification",
        "tags: [medical, chest-ct, covid-19, resnet50]",
        f"datasets: {json.dumps(sorted({c.dataset for c in run.data if c.part == 'train'}))}",
    ]
    results = [line for e in evaluations for line in _results(e)]
    if results:
        lines += ["model-index:", f"- name: {name}", "  results:", *results]
    return "\n".join(["---", *lines, "---", ""])


def _results(evaluation: Evaluation) -> Iterable[str]:
    found = {key: f for key, f in evaluation.metrics.items() if key in METRICS and f.value is not None}
    if not found:
        return
    yield "  - task: {type: image-classification}"
    yield f"    dataset: {{type: {json.dumps(evaluation.title)}, name: {json.dumps(title(evaluation))}}}"
    yield "    metrics:"
    for key, figure in found.items():
        yield f"    - {{type: {key}, value: {number(figure.value)}}}"


def _data(run: Run) -> str:
    rows = []
    for dataset in sorted({c.dataset for c in run.data}):
        known = SOURCES.get(dataset, UNKNOWN)
        counts = [c for c in run.data if c.dataset == dataset]
        rows.append([dataset, known.what, *(_count(counts, part) for part in ("train", "validation")), known.terms])
    counted = table(["data set", "what", "train", "validation", "terms"], rows)
    return f"Records, COVID-19 + other, with their groups (patients or blocks) in brackets.\n\n{counted}"


def _count(counts: Sequence[PartCount], part: str) -> str:
    chosen = [c for c in counts if c.part == part]
    by_label = [sum(c.records for c in chosen if c.label == label) for label in (1, 0)]
    return f"{by_label[0]} + {by_label[1]} ({sum(c.groups for c in chosen)})" if chosen else "-"


def _training(run: Run, summary: str) -> str:
    facts = {
        "recipe": run.recipe,
        "command": f"`{run.command}`",
        "date": str(run.date),
        "seed": str(run.seed),
        "time of the last session": f"{run.hours:.1f} h on {run.hardware}; steps kept from earlier ones are not counted",
        "backbone started from": run.backbone_weights,
        **({"weights": f"not trained anew, but those of {run.weights_from}"} if run.weights_from else {}),
        "network": f"ResNet50, head {run.network.head}, stages {', '.join(map(str, run.network.stages))}, "
        f"input {run.network.size} x {run.network.size}",
        "preprocessing": f"{run.preprocessing.name} ({run.preprocessing.fingerprint})",
        "energy and carbon": "not measured; time and hardware are above",
        "libraries": ", ".join(f"{name} {version}" for name, version in sorted(run.versions.items())) or "not recorded",
    }
    told = table(["", ""], [[key, value] for key, value in facts.items()])
    return f"{summary.strip()}\n\n{told}".lstrip()


def _decisions(run: Run) -> str:
    rule, (slope, intercept) = run.exam_rule, run.calibration
    return (
        f"The network's logit is calibrated as {number(slope)} x + {number(intercept)}.\n\n"
        f"Slices and single images: {_decision(run.image)}.\n\n"
        f"Exams: by {_rule(rule)}, then {number(rule.slope)} x + {number(rule.intercept)}; "
        f"{_decision(rule.decision)}.\n\n"
        f"**What exam-level calibration rests on:** {rule.rests_on}\n"
    )


def _rule(rule: ExamRule) -> str:
    """The rule's name with what it was set to."""
    own = rule.model_dump(exclude={"name", "slope", "intercept", "decision", "rests_on"}, exclude_none=True)
    settings = ", ".join(f"{name.replace('_', ' ')} {number(value)}" for name, value in own.items())
    return f"{rule.name} ({settings})" if own else rule.name


def _decision(decision: Decision) -> str:
    low, high = decision.band
    return f"threshold {number(decision.threshold)}, inconclusive from {number(low)} to {number(high)}"
