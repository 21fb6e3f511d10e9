import csv
import json
from pathlib import Path

import pytest

from app import NOTICE
from tests.training.runs import a_run, an_evaluation
from training.run import PartCount, RunError
from training.studies.matrix import matrix


def a_run_with(folder: Path, *trained_on: str, sha256: str, auc: float) -> Path:
    """A run of these data sets that was evaluated on soares."""
    data = tuple(PartCount(dataset=name, label=1, part="train", records=8, groups=4) for name in trained_on)
    an_evaluation(folder, "soares", weights_sha256=sha256, auc=auc, trained_on=", ".join(trained_on))
    a_run(data=data).write(folder)
    return folder


def change(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "matrix.csv").open() as file:
        return list(csv.DictReader(file))


def test_rows_say_what_trained_and_columns_what_was_measured(tmp_path: Path) -> None:
    both = a_run_with(tmp_path / "both", "soares", "covid-ct", sha256="aa", auc=0.9)
    without = a_run_with(tmp_path / "without", "covid-ct", sha256="bb", auc=0.75)

    text = matrix([without, both], tmp_path / "out").read_text()

    assert NOTICE in text
    assert "| model \\ measured on | soares (part=validation, by slice) |" in text
    assert "| m, trained on all | 0.900 (0.869 to 0.955) * |" in text
    assert "| m, trained without soares | 0.750 (0.719 to 0.805) |" in text
    assert "Without a star no data set of that name trained it; the same pictures under another name" in text
    assert "perhaps with these where it does not" in text
    assert [(r["dataset_trained"], r["auc"]) for r in rows(tmp_path / "out")] == [("yes", "0.9000"), ("no", "0.7500")]
    assert (tmp_path / "out/matrix.png").is_file()


def test_an_evaluation_that_says_what_trained_needs_no_run(tmp_path: Path) -> None:
    an_evaluation(tmp_path / "run", "soares", kind="anywhere", trained_on="covid-ct, luna")

    matrix([tmp_path / "run/anywhere/soares"], tmp_path / "out")

    assert [(r["trained_on"], r["dataset_trained"]) for r in rows(tmp_path / "out")] == [("covid-ct luna", "no")]


def test_a_transfer_is_not_taken_for_the_runs_own_weights(tmp_path: Path) -> None:
    run = a_run_with(tmp_path / "run", "soares", sha256="aa", auc=0.9)
    an_evaluation(run, "without-soares", kind="transfers", weights_sha256="bb", auc=0.7, trained_on="")

    matrix([run], tmp_path / "out")

    assert [r["dataset_trained"] for r in rows(tmp_path / "out")] == ["yes", "not known"]


def test_one_class_gives_its_rate_and_no_picture(tmp_path: Path) -> None:
    an_evaluation(tmp_path / "run", "luna")
    path = tmp_path / "run/evaluations/luna/metrics.json"
    source = json.loads(path.read_text())["per_source"]["soares"]
    nothing, rate = {"value": None}, {"value": 0.9, "low": 0.8, "high": 0.95}
    change(path, per_source={"luna": source | {"positives": 0, "metrics": {"auc": nothing, "specificity": rate}}})

    text = matrix([path], tmp_path / "out").read_text()

    assert "false-alarm rate 0.100 (0.050 to 0.200)" in text
    assert not (tmp_path / "out/matrix.png").exists()


def test_the_same_measured_twice_is_refused(tmp_path: Path) -> None:
    for title in ("one", "two"):
        an_evaluation(tmp_path / "run", title)

    with pytest.raises(RunError, match="more than once on soares"):
        matrix([tmp_path / "run/evaluations/one", tmp_path / "run/evaluations/two"], tmp_path / "out")


@pytest.mark.parametrize("content", [None, "{}", "no json", "[]"])
def test_what_is_no_evaluation_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "metrics.json").write_text(content)

    with pytest.raises(RunError, match=r"is no evaluation|is not valid"):
        matrix([tmp_path], tmp_path / "out")
