import re
from pathlib import Path

import pytest

from tests.training.runs import a_run, an_evaluation
from training.compare import compare
from training.report import model_card
from training.run import Run, RunError, read_evaluations

# What the card's fixed text may say with digits: names, and the level of the intervals.
NAMES = re.compile(r"COVID-19|ResNet50|resnet50|covid-19|95 %|2D|\(\w+ et al\., \d{4}\)|LUNA16|SARS-CoV-2")


def figures(text: str) -> set[str]:
    return set(re.findall(r"\d+(?:\.\d+)?", NAMES.sub("", text)))


def test_every_figure_of_the_card_is_in_a_file_of_the_run(tmp_path: Path) -> None:
    an_evaluation(tmp_path, "soares-blocks")
    evaluations = read_evaluations(tmp_path)
    run = a_run()

    files = run.model_dump_json() + evaluations[0].model_dump_json()
    in_files = {f"{float(n):.{d}f}" for n in re.findall(r"\d+(?:\.\d+)?", files) for d in (0, 1, 3)} | figures(files)

    assert figures(model_card("tiny", run, evaluations)) <= in_files


def test_a_card_without_evaluations_has_no_figures() -> None:
    card = model_card("tiny", a_run(), ())

    assert "have not been evaluated" in card
    assert "AUC" not in card
    assert "model-index" not in card


def test_a_figure_that_changes_in_the_run_changes_in_the_card(tmp_path: Path) -> None:
    an_evaluation(tmp_path, "soares-blocks", auc=0.7777)

    assert "0.778 (0.746 to 0.832)" in model_card("tiny", a_run(), read_evaluations(tmp_path))


def test_the_card_says_what_it_must() -> None:
    card = model_card("tiny", a_run(), ())

    assert card.startswith("---\nlicense:")
    for words in ("Research use only. Not a medical device.", "Small exams.", "Nothing was learned.", "Out of scope"):
        assert words in card


def test_a_figure_that_does_not_exist_is_a_dash(tmp_path: Path) -> None:
    an_evaluation(tmp_path, "soares-blocks")
    row = next(
        line for line in model_card("t", a_run(), read_evaluations(tmp_path)).splitlines() if "372 (186)" in line
    )

    assert row.split(" | ")[6:9] == ["0.812 (0.781 to 0.867)", "-", "-"]


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


def test_runs_stand_side_by_side(tmp_path: Path) -> None:
    for name, auc in (("a", 0.75), ("b", 0.5)):
        an_evaluation(tmp_path / name, "val", auc=auc)

    table = compare([tmp_path / "a", tmp_path / "b"], tmp_path / "out").read_text().splitlines()

    assert [line.split(",")[0] for line in table] == ["run", "a", "b"]
    assert table[1].endswith(",0.7500,0.7187,0.8047")


def test_chest_ct_that_is_refused_is_listed_without_where_it_lay(tmp_path: Path) -> None:
    an_evaluation(tmp_path, "validation")

    card = model_card("tiny", a_run(), read_evaluations(tmp_path))

    assert "- soares/covid/0903.jpg: no-lung\n" in card
    assert "/somewhere" not in card
