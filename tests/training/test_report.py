"""The card of a run: no figure without a file behind it."""

import csv
import json
import re
from pathlib import Path

import pytest

from app.ct.precision import EngineSpec, PrecisionSpec
from tests.training.runs import a_candidate, a_precision, a_run, an_audit, an_evaluation
from training.metrics.evaluation import Interval
from training.metrics.pairwise import Comparison
from training.releasing.findings import Findings
from training.releasing.report import model_card
from training.run import Run, RunError, read_evaluations
from training.studies.paired_table import as_rows

ENGINE = EngineSpec.of({"bf16": PrecisionSpec(file="openvino.xml", tolerance=0.03)})
# What the card's fixed text may say with digits besides names: the level of the intervals, years and versions of terms.
FIXED = re.compile(r"95 %|\(\w+ et al\., \d{4}\)|CC BY 3\.0")
NUMBER = re.compile(r"(?<![A-Za-z\d.])(?<![A-Za-z]-)(?<![A-Za-z]-\d)\.?\d+(?:\.\d+)?")
SHORTCUT = {
    "fitted_on": "drenet",
    "measured_on": "drenet",
    "part": "train",
    "features": "all",
    "n": 591,
    "groups": 105,
    "value": 0.8134,
    "low": 0.7412,
    "high": 0.8713,
}
PAIR = Comparison(
    "VGG16",
    "ours",
    auc=Interval(0.0123, -0.02, 0.05),
    auc_p=0.321,
    accuracy=Interval(-0.0347),
    only_first=7,
    only_second=11,
    mcnemar_p=None,
)
SENTENCE = "Size and gray level alone reach {shortcut[drenet][train]:.2f} of what {evaluations[blocks][auc]} is."


def a_measured_run(folder: Path) -> Path:
    """A run with one of everything that can be measured on it."""
    a_run(limitations=(SENTENCE,), shortcut=(SHORTCUT,)).write(folder)
    an_evaluation(folder, "blocks", auc=0.8765)
    an_evaluation(folder, "left-out", kind="transfers", auc=0.7031)
    an_evaluation(folder, "folds", kind="cross-validations", auc=0.6543)
    an_evaluation(folder, "foreign", kind="refusals")
    an_audit(folder, "jpeg")
    a_precision(folder, [a_candidate("int8", speed=2.2222, faults=["heat map"]), a_candidate("bf16")])
    (folder / "exam_rules.json").write_text(json.dumps({"rules": [{"name": "mean", "auc": {"value": 0.6789}}]}))
    (folder / "affected.json").write_text(json.dumps({"measured": {"masks": {"error": {"value": 0.0456}}}}))
    compared = ["VGG16,test,all,0.7654,0.7,0.8", "VGG16,test,luna,0.5,,", "VGG16,train,luna,1.0,,"]
    (folder / "compare.csv").write_text("\n".join(["run,part,source,auc,auc_low,auc_high", *compared, ""]))
    a_pair(folder)
    return folder


def a_pair(folder: Path) -> None:
    with (folder / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows(as_rows([PAIR]))


def card_of(folder: Path) -> str:
    return model_card("tiny", Run.read(folder), Findings.read(folder), ENGINE)


def card(folder: Path) -> str:
    """The card of a run's folder that holds evaluations alone."""
    return model_card("tiny", a_run(), Findings.read(folder), ENGINE)


def figures(text: str) -> set[str]:
    return set(NUMBER.findall(FIXED.sub("", text)))


def in_files(folder: Path) -> set[str]:
    """Every number of the run's files, as the card may write it."""
    texts = [p.read_text() for p in folder.rglob("*") if p.suffix in (".json", ".csv")]
    found = {n for text in texts for n in re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", text)}
    return found | {f"{float(n):.{digits}f}" for n in found for digits in (1, 2, 3)}


def test_every_figure_of_the_card_is_in_a_file_of_the_run(tmp_path: Path) -> None:
    folder = a_measured_run(tmp_path)

    told = figures(card_of(folder))

    assert len(told) > 60
    assert told - in_files(folder) == set()


def test_a_number_that_no_file_holds_would_be_found(tmp_path: Path) -> None:
    folder = a_measured_run(tmp_path)

    assert figures(f"{card_of(folder)} It reaches AUC .9871 and 0.9872, 98.73%.") - in_files(folder) == {
        ".9871",
        "0.9872",
        "98.73",
    }


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("run.json", ("image", "threshold")),
        ("run.json", ("shortcut", 0, "value")),
        ("run.json", ("data", 0, "records")),
        ("run.json", ("fitness", "distance_limit")),
        ("run.json", ("exam_rule", "decision", "threshold")),
        ("run.json", ("calibration", 0)),
        ("run.json", ("hours",)),
        ("evaluations/blocks/metrics.json", ("metrics", "auc", "value")),
        ("evaluations/blocks/metrics.json", ("metrics", "auc", "low")),
        ("evaluations/blocks/metrics.json", ("localization", "evidence", "dice", "value")),
        ("evaluations/blocks/metrics.json", ("refused_share", "value")),
        ("transfers/left-out/metrics.json", ("metrics", "auc", "value")),
        ("cross-validations/folds/metrics.json", ("per_source", "soares", "metrics", "auc", "value")),
        ("refusals/foreign/metrics.json", ("refused_share", "high")),
        ("precision.json", ("candidates", 0, "measured", "largest_change")),
        ("precision.json", ("candidates", 1, "measured", "evidence", "worst_decile")),
        ("precision.json", ("rule", "least_correlation")),
        ("audits/jpeg/audit.json", ("jpeg", "rows", 0, "auc", "before", "value")),
        ("audits/jpeg/audit.json", ("jpeg", "rows", 0, "moves", "largest")),
        ("exam_rules.json", ("rules", 0, "auc", "value")),
        ("affected.json", ("measured", "masks", "error", "value")),
    ],
)
def test_a_figure_that_changes_in_a_file_changes_in_the_card(
    file: str, place: tuple[str | int, ...], tmp_path: Path
) -> None:
    folder = a_measured_run(tmp_path)
    before, document = card_of(folder), json.loads((folder / file).read_text())
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] += 0.1 if isinstance(inner[place[-1]], float) else 1
    (folder / file).write_text(json.dumps(document))

    assert card_of(folder) != before


def test_rows_of_a_comparison_are_told(tmp_path: Path) -> None:
    card = card_of(a_measured_run(tmp_path))

    assert "| run | part | source | AUC |" in card
    assert "| VGG16 | test | all | 0.765 (0.700 to 0.800) |\n| VGG16 | test | luna | 0.500 |\n\n" in card
    assert "| VGG16 less ours | 0.012 (-0.020 to 0.050) | 0.321 | 0.321 | -0.035 | 7 : 11 | - |\n" in card


def test_a_comparison_without_its_pairs_is_told_all_the_same(tmp_path: Path) -> None:
    folder = a_measured_run(tmp_path)
    (folder / "pairs.csv").unlink()

    card = card_of(folder)

    assert "| VGG16 | test | all | 0.765 (0.700 to 0.800) |\n" in card
    assert "Paired tests" not in card


@pytest.mark.parametrize("text", ["first,second\na,b\n", "first\n1,2\n"])
def test_pairs_that_compare_did_not_write_are_refused(tmp_path: Path, text: str) -> None:
    folder = a_measured_run(tmp_path)
    (folder / "pairs.csv").write_text(text)

    with pytest.raises(RunError, match=r"pairs\.csv is not valid"):
        Findings.read(folder)


def test_sentences_of_the_recipe_take_their_figures_from_the_run(tmp_path: Path) -> None:
    assert "- Size and gray level alone reach 0.81 of what 0.876 is.\n" in card_of(a_measured_run(tmp_path))


def test_a_sentence_that_states_a_number_of_its_own_makes_no_card(tmp_path: Path) -> None:
    run = a_run(limitations=("Size and gray level alone reach AUC .81.",))

    with pytest.raises(RunError, match="states 81"):
        model_card("tiny", run, Findings(), ENGINE)


def test_what_the_model_is_worth_is_told_in_plain_words(tmp_path: Path) -> None:
    folder = a_measured_run(tmp_path)
    held_out = SHORTCUT | {"part": "validation", "value": 0.7212}
    carried = held_out | {"fitted_on": "soares", "value": 0.3434}
    a_run(limitations=(SENTENCE,), shortcut=(SHORTCUT, held_out, carried)).write(folder)

    card = card_of(folder)

    worth = card.partition("## What this is worth")[2].partition("\n## ")[0]

    assert "how often has the first the higher probability?" in worth
    for figure in ("0.876", "0.703", "0.654", "0.721"):
        assert figure in worth
    told = card.partition("## Training data")[2].partition("\n## ")[0]
    for figure in ("0.813", "0.721", "0.343"):
        assert figure in told
        assert figure == "0.721" or figure not in worth


def test_the_card_tells_how_often_the_service_is_inconclusive(tmp_path: Path) -> None:
    an_evaluation(tmp_path, "blocks")
    assert "inconclusive 177" not in card(tmp_path)
    path = tmp_path / "evaluations/blocks/metrics.json"
    counts = {"COVID_19": 8, "INCONCLUSIVE": 177, "NON_COVID_19": 1}
    told = {"positives": counts, "negatives": counts | {"INCONCLUSIVE": 100}}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"verdicts": told}))

    text = card(tmp_path)

    said = "COVID-19 8, inconclusive 177, not COVID-19 1"
    assert f"| What does the service say of the slices with COVID-19? | {said} |" in text
    assert "| 372 (186) | 6 | 4 | 177 + 100 |" in text


def test_a_rate_at_the_threshold_is_not_told_as_what_the_service_says(tmp_path: Path) -> None:
    an_evaluation(tmp_path, "blocks")
    path = tmp_path / "evaluations/blocks/metrics.json"
    figures = {"sensitivity": {"value": 0.9}, "specificity": {"value": 0.8}}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"metrics": figures}))

    asked = [line for line in card(tmp_path).splitlines() if line.endswith(" blocks (part=validation) |")]

    assert len(asked) == 2
    assert all("threshold, inside the inconclusive band too?" in line for line in asked)


def test_the_card_tells_a_fit_that_is_not_served_beside_what_was_measured(tmp_path: Path) -> None:
    folder = a_measured_run(tmp_path)
    study = {"affected": {"slope": 1.0123}, "fitted_anew": {"threshold": 0.5512, "slope": 1.1534}, "measured": {}}
    (folder / "affected.json").write_text(json.dumps(study))

    told = card_of(folder)

    assert "which is neither served nor measured, has a threshold of 0.551 and a slope of 1.153." in told
    assert told.count("1.153") == 1
    assert "| slope | 1.012 |" in told
    assert figures(told) <= in_files(folder)


def test_the_card_tells_which_rule_is_served_and_not_what_another_rests_on(tmp_path: Path) -> None:
    folder, auc = a_measured_run(tmp_path), {"mixed": {"value": 0.6789, "low": 0.5, "high": 0.75}}
    rules = [
        {"name": name, "rule": {"name": "top-share-mean", "top_share": share}, "auc": auc}
        for name, share in (("a half", 0.5), ("a fifth", 0.2))
    ]
    study = {"chosen": "a half", "rests_on": "Chosen of 19 rules.", "rules": rules}
    (folder / "exam_rules.json").write_text(json.dumps(study))

    told = card_of(folder).partition("## Thresholds and the exam rule")[2].partition("\n## ")[0]

    assert (
        "Served: a fifth. On these scores the same procedure chooses another rule than the one served, a half" in told
    )
    assert "Small exams." in told
    assert "Chosen of 19 rules." not in told


def test_every_precision_is_told_with_why_it_is_not_allowed(tmp_path: Path) -> None:
    told = card_of(a_measured_run(tmp_path)).partition("## Precision of the CPU engine")[2]

    assert "**Served: bf16**" in told
    assert "| no: heat map |" in told


def test_a_card_without_measurements_has_no_figures() -> None:
    text = model_card("tiny", a_run(), Findings(), ENGINE)

    assert "have not been evaluated" in text
    assert "| AUC |" not in text
    assert "model-index" not in text


def test_the_card_says_what_it_must() -> None:
    text = model_card("tiny", a_run(), Findings(), ENGINE)

    assert text.startswith("---\nlicense:")
    for words in ("Research use only. Not a medical device.", "Small exams.", "Nothing was learned.", "Out of scope"):
        assert words in text
    assert "| energy and carbon | not measured" in text


def test_a_figure_that_does_not_exist_is_a_dash(tmp_path: Path) -> None:
    an_evaluation(tmp_path, "soares-blocks")
    row = next(line for line in card(tmp_path).splitlines() if "372 (186)" in line)

    assert row.split(" | ")[7:10] == ["0.812 (0.781 to 0.867)", "-", "-"]


def test_a_run_reads_back(tmp_path: Path) -> None:
    a_run().write(tmp_path)

    assert Run.read(tmp_path) == a_run()


@pytest.mark.parametrize("text", ["", "{}", '{"recipe": 3, "invented": 0.99}'])
def test_a_run_with_missing_or_further_keys_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)

    with pytest.raises(RunError, match="not valid"):
        Run.read(tmp_path)


def test_an_evaluation_that_is_not_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "evaluations/x").mkdir(parents=True)
    (tmp_path / "evaluations/x/metrics.json").write_text('{"metrics": {"auc": 0.99}}')

    with pytest.raises(RunError, match="evaluation x"):
        read_evaluations(tmp_path)


def test_chest_ct_that_is_refused_is_listed_without_where_it_lay(tmp_path: Path) -> None:
    an_evaluation(tmp_path, "validation")

    text = card(tmp_path)

    assert "- soares/covid/0903.jpg: no-lung\n" in text
    assert "/somewhere" not in text
