"""What the model is worth, in plain words: a question a reader would ask, the figure that answers it, where it is from."""

from collections.abc import Iterator, Sequence

from app.ct.diagnosis import Verdict
from training.markdown import table, with_interval
from training.releasing.card_figures import title
from training.releasing.findings import Findings
from training.run import Evaluation, Figure, Run, Shortcut

_ASKED = {
    "auc": "Of one {case} with COVID-19 and one without, how often has the first the higher probability? (half: a guess)",
    "sensitivity": "What share of the {case}s with COVID-19 has a probability at or above the threshold, inside the "
    "inconclusive band too?",
    "specificity": "What share of those without has a probability below the threshold, inside the inconclusive band too?",
    "calibration_slope": "Are high and low probabilities as far apart as they should be? (one: yes; less: too far)",
}
_ANSWERED = {
    "positives": "What does the service say of the {case}s with COVID-19?",
    "negatives": "What does it say of those without?",
}
_VERDICTS = {Verdict.COVID_19: "COVID-19", Verdict.INCONCLUSIVE: "inconclusive", Verdict.NON_COVID_19: "not COVID-19"}
_AT_A_SOURCE_LEFT_OUT = (
    "At a source that trained nothing: of one {case} with COVID-19 and one without, how often has the first the higher?"
)

_ON_FOLDS = "On folds that nothing of a run saw: of one {case} with COVID-19 and one without, how often has the first the higher?"

Row = tuple[str, str, str]


def worth(run: Run, findings: Findings) -> str:
    """The table; a figure that was not measured has no row."""
    rows = [
        *(row for e in findings.evaluations for row in _answers(e)),
        *(row for e in findings.transfers for row in _transfer(e)),
        *(row for e in findings.crossed for row in _crossed(e)),
        *_shortcuts(run.shortcut),
        *(row for e in findings.evaluations for row in _map(e)),
        *(
            ("What share of pictures of anything else is refused?", with_interval(e.refused_share), title(e))
            for e in findings.refusals
        ),
    ]
    return table(["question", "answer", "measured on"], rows) if rows else "Nothing was measured.\n"


def _answers(evaluation: Evaluation) -> Iterator[Row]:
    if evaluation.positive_class != "COVID-19":
        return
    for metric, question in _ASKED.items():
        figure = evaluation.metrics.get(metric)
        if figure is not None and figure.value is not None:
            yield question.format(case=evaluation.by), with_interval(figure), title(evaluation)
    yield from _verdicts(evaluation)


def _verdicts(evaluation: Evaluation) -> Iterator[Row]:
    """How often each answer is given, of which inconclusive; older evaluations do not tell."""
    if evaluation.verdicts is None:
        return
    of_class = {"positives": evaluation.verdicts.positives, "negatives": evaluation.verdicts.negatives}
    for name, counts in of_class.items():
        if any(counts.values()):
            told = ", ".join(f"{words} {counts.get(verdict, 0)}" for verdict, words in _VERDICTS.items())
            yield _ANSWERED[name].format(case=evaluation.by), told, title(evaluation)


def _transfer(evaluation: Evaluation) -> Iterator[Row]:
    if "auc" in evaluation.metrics:
        asked = _AT_A_SOURCE_LEFT_OUT.format(case=evaluation.by)
        yield asked, with_interval(evaluation.metrics["auc"]), title(evaluation)


def _crossed(evaluation: Evaluation) -> Iterator[Row]:
    """By data set: what tells sources apart is no answer."""
    for name, source in sorted(evaluation.per_source.items()):
        figure = source.metrics.get("auc")
        if figure is not None and figure.value is not None:
            yield _ON_FOLDS.format(case=evaluation.by), with_interval(figure), name


def _map(evaluation: Evaluation) -> Iterator[Row]:
    found = (evaluation.localization or {}).get("pointing_game")
    if isinstance(found, Figure):
        asked = "How often does the heat map's strongest place lie in a lesion drawn by people?"
        yield asked, with_interval(found), title(evaluation)


def _shortcuts(rows: Sequence[Shortcut]) -> Iterator[Row]:
    asked = (
        "What do size, gray level, border and sharpness alone reach, which say nothing of disease? (AUC, to be beaten)"
    )
    for row in rows:
        if (row.features, row.part, row.fitted_on) == ("all", "validation", row.measured_on) and row.value is not None:
            yield asked, with_interval(row.figure), f"{row.measured_on}, validation"
