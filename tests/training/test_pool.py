import csv
import json
from pathlib import Path

import pytest
from sklearn.metrics import roc_auc_score

from tests.training.runs import an_evaluation
from training.run import Evaluation, RunError
from training.studies.kept_fold import keep_fold
from training.studies.pool import pool

Row = tuple[str, int, float | None, str]


def a_fold(folder: Path, name: str, rows: list[Row], *, weights: str, threshold: float = 0.5) -> Path:
    """Cases (file, label, probability, group) of soares."""
    an_evaluation(folder, name, kind="folds", weights_sha256=weights)
    path = folder / "folds" / name
    told = json.loads((path / "metrics.json").read_text()) | {"threshold": threshold, "positive_class": "COVID-19"}
    (path / "metrics.json").write_text(json.dumps(told))
    with (path / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "label", "probability", "refused", "dataset", "group"))
        writer.writerows((f, y, "" if p is None else p, int(p is None), "soares", g) for f, y, p, g in rows)
    return path


FIRST: list[Row] = [("a", 1, 0.9, "p"), ("b", 0, 0.2, "q"), ("c", 0, None, "q")]
SECOND: list[Row] = [("d", 1, 0.4, "r"), ("e", 0, 0.3, "s"), ("f", 0, 0.6, "s")]


def test_folds_are_judged_together_each_by_its_own_threshold(tmp_path):
    folds = [a_fold(tmp_path, "1", FIRST, weights="aa"), a_fold(tmp_path, "2", SECOND, weights="bb", threshold=0.35)]

    report = pool(folds, tmp_path / "out")

    assert (report["n"], report["cases"], report["refused"], report["unscored"]) == (5, 6, 1, 1)
    assert report["metrics"]["auc"]["value"] == pytest.approx(roc_auc_score([1, 0, 1, 0, 0], [0.9, 0.2, 0.4, 0.3, 0.6]))
    assert report["metrics"]["sensitivity"]["value"] == 1
    assert report["metrics"]["specificity"]["value"] == pytest.approx(2 / 3)
    assert [(fold["n"], fold["threshold"]) for fold in report["folds"]] == [(2, 0.5), (3, 0.35)]
    assert report["threshold"] is None


def test_what_is_written_is_an_evaluation(tmp_path):
    folds = [a_fold(tmp_path, "1", FIRST, weights="aa"), a_fold(tmp_path, "2", SECOND, weights="bb")]

    pool(folds, tmp_path / "out")

    told = Evaluation.model_validate_json((tmp_path / "out/metrics.json").read_bytes())
    assert told.model.name == "2 models, one a fold"
    assert told.per_source["soares"].n == 5
    assert told.recipe == "tiny"


def test_verdicts_are_counted_where_every_fold_tells_them(tmp_path):
    folds = [a_fold(tmp_path, "1", FIRST, weights="aa"), a_fold(tmp_path, "2", SECOND, weights="bb")]
    for fold, said in zip(folds, (("COVID_19", "NON_COVID_19", ""), ("INCONCLUSIVE",) * 3), strict=True):
        assert "verdicts" not in pool(folds, tmp_path / "out")
        lines = (fold / "scores.csv").read_text().splitlines()
        told = [f"{line},{verdict}" for line, verdict in zip(lines, ("verdict", *said), strict=True)]
        (fold / "scores.csv").write_text("\n".join(told) + "\n")

    told = pool(folds, tmp_path / "out")["verdicts"]

    assert told["positives"] == {"COVID_19": 1, "NON_COVID_19": 0, "INCONCLUSIVE": 1}
    assert told["negatives"] == {"COVID_19": 0, "NON_COVID_19": 1, "INCONCLUSIVE": 2}


def test_folds_of_different_recipes_are_refused(tmp_path):
    folds = [a_fold(tmp_path, "1", FIRST, weights="aa"), a_fold(tmp_path, "2", SECOND, weights="bb")]
    told = json.loads((folds[1] / "metrics.json").read_text())
    (folds[1] / "metrics.json").write_text(json.dumps(told | {"trained_with": {"recipe": "another"}}))

    with pytest.raises(RunError, match="different recipes"):
        pool(folds, tmp_path / "out")


@pytest.mark.parametrize(("settings", "are_one"), [(("a", "a"), True), (("", "a"), True), (("a", "b"), False)])
def test_folds_of_a_recipe_that_changed_in_between_are_refused(tmp_path, settings, are_one):
    folds = [a_fold(tmp_path, "1", FIRST, weights="aa"), a_fold(tmp_path, "2", SECOND, weights="bb")]
    for fold, digest in zip(folds, settings, strict=True):
        told = json.loads((fold / "metrics.json").read_text())
        (fold / "metrics.json").write_text(
            json.dumps(told | {"trained_with": told["trained_with"] | {"settings": digest}})
        )

    if are_one:
        assert pool(folds, tmp_path / "out")["trained_with"]["settings"] == "a"
    else:
        with pytest.raises(RunError, match="different recipes"):
            pool(folds, tmp_path / "out")


@pytest.mark.parametrize(
    ("rows", "weights", "why"),
    [
        (SECOND, "aa", "same weights"),
        ([("a", 1, 0.4, "r")], "bb", "record is in two"),
        ([("d", 1, 0.4, "p")], "bb", "group is in two"),
    ],
)
def test_what_are_no_folds_is_refused(tmp_path, rows, weights, why):
    folds = [a_fold(tmp_path, "1", FIRST, weights="aa"), a_fold(tmp_path, "2", rows, weights=weights)]
    keep_fold(folds[0], tmp_path / "kept")

    for first in (folds[0], tmp_path / "kept"):
        with pytest.raises(RunError, match=why):
            pool([first, folds[1]], tmp_path / "out")


def test_a_fold_that_was_kept_holds_no_name_and_counts_alike(tmp_path):
    folds = [a_fold(tmp_path, "1", FIRST, weights="aa"), a_fold(tmp_path, "2", SECOND, weights="bb")]
    told = json.loads((folds[0] / "metrics.json").read_text())
    (folds[0] / "metrics.json").write_text(json.dumps(told | {"refusals": [{"file": "d/x.png", "why": "no-lung"}]}))
    keep_fold(folds[0], tmp_path / "kept")

    rows = list(csv.DictReader((tmp_path / "kept/scores.csv").read_text().splitlines()))

    assert "x.png" not in (tmp_path / "kept/metrics.json").read_text()
    assert {len(row["file"]) for row in rows} | {len(row["group"]) for row in rows} == {16}
    assert pool([tmp_path / "kept", folds[1]], tmp_path / "a") == pool(folds, tmp_path / "b")


def test_one_evaluation_is_no_cross_validation(tmp_path):
    with pytest.raises(RunError, match="no cross-validation"):
        pool([a_fold(tmp_path, "1", FIRST, weights="aa")], tmp_path / "out")


def test_a_folder_without_an_evaluation_is_named(tmp_path):
    with pytest.raises(RunError, match="empty is no evaluation"):
        pool([tmp_path / "empty", a_fold(tmp_path, "1", FIRST, weights="aa")], tmp_path / "out")


def test_folds_of_different_parts_are_refused(tmp_path):
    folds = [a_fold(tmp_path, "1", FIRST, weights="aa"), a_fold(tmp_path, "2", SECOND, weights="bb")]
    told = json.loads((folds[1] / "metrics.json").read_text()) | {"where": ["part=train"]}
    (folds[1] / "metrics.json").write_text(json.dumps(told))

    with pytest.raises(RunError, match="different records"):
        pool(folds, tmp_path / "out")
