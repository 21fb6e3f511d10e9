import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.compared import a_compared_run, scores
from tests.training.runs import a_run
from training.fitting.slice_scores import SliceScores
from training.markdown import p_value
from training.metrics.evaluation import Sample
from training.metrics.pairwise import compare_two
from training.run import PartCount, RunError
from training.studies.compare import compare, read_candidates
from training.studies.published import METRICS, TABLE_3


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def a_sample(logits: np.ndarray, labels: np.ndarray) -> Sample:
    groups = [f"g{k // 4}" for k in range(len(labels))]
    return Sample.of(labels.tolist(), (1 / (1 + np.exp(-logits))).tolist(), threshold=0.5, groups=groups)


def test_every_run_has_a_line_for_each_part_and_data_set(tmp_path):
    runs = [a_compared_run(tmp_path / "a"), a_compared_run(tmp_path / "b", noise=3.0)]

    compare(runs, tmp_path / "out", draws=1000)

    found = rows(tmp_path / "out/compare.csv")
    sources = ("all", "covid-ct", "soares")
    assert [(r["part"], r["source"]) for r in found if r["run"] == "a"] == [
        (part, source) for part in ("train", "validation", "test") for source in sources
    ]
    assert all(float(r["auc_low"]) <= float(r["auc"]) <= float(r["auc_high"]) for r in found)


def test_data_sets_of_one_class_are_left_out(tmp_path):
    table = scores()
    luna = SliceScores(
        np.array(["l1", "l2"]),
        np.array(["luna", "luna"]),
        np.array(["l1", "l2"]),
        np.array([0, 0]),
        np.array(["train", "test"]),
        np.array([-9, -9], np.float32),
        np.array([True, False]),
    )
    both = SliceScores(*(np.concatenate([getattr(table, k), getattr(luna, k)]) for k in vars(table)))

    candidate = read_candidates([a_compared_run(tmp_path / "a", table=both)])[0]

    assert candidate.sources == ["covid-ct", "soares"]


def test_a_run_is_called_by_its_own_calibration_and_threshold(tmp_path):
    strict = a_compared_run(tmp_path / "strict", calibration=(1.0, -50.0))

    compare([strict], tmp_path / "out", draws=1000)

    test = next(r for r in rows(tmp_path / "out/compare.csv") if (r["part"], r["source"]) == ("test", "all"))
    assert (float(test["sensitivity"]), float(test["specificity"])) == (0.0, 1.0)


def test_of_the_training_part_only_what_a_run_learned_from_is_told(tmp_path):
    table = scores()
    learned = table.learned & (np.arange(len(table.files)) % 2 == 0)
    # What it did not learn from, it gets wrong.
    wrong = np.where(table.learned & ~learned, 1 - 2.0 * table.labels, table.logits).astype(np.float32)
    few = a_compared_run(tmp_path / "few", table=replace(table, learned=learned, logits=wrong))

    text = compare([a_compared_run(tmp_path / "all"), few], tmp_path / "out", draws=1000).read_text()

    of = {(r["run"], r["part"]): r for r in rows(tmp_path / "out/compare.csv") if r["source"] == "all"}
    assert [of[run, part]["n"] for run in ("all", "few") for part in ("train", "test")] == ["48", "48", "24", "48"]
    assert float(of["few", "train"]["accuracy"]) > 0.75
    assert "| few | 24 (12) | 12 |" in text


def test_the_report_sets_the_papers_rows_and_what_they_are_worth_beside_ours(tmp_path):
    runs = [a_compared_run(tmp_path / "a"), a_compared_run(tmp_path / "b", noise=3.0)]

    text = compare(runs, tmp_path / "out", draws=1000).read_text()

    assert "Research use only" in text
    assert text.count("*ResNet50, the paper*") == 3
    assert "a less b" in text
    assert "non-COVID is the positive class" in text
    assert (tmp_path / "out/roc.png").read_bytes().startswith(b"\x89PNG")


def test_runs_that_differ_in_their_seed_alone_are_told_together(tmp_path):
    runs = [a_compared_run(tmp_path / name, noise=k + 1.0, seed=k) for k, name in enumerate("abc")]

    text = compare(runs, tmp_path / "out", draws=1000).read_text()

    assert "| tiny | none | 64 pixels, lung-box | 3 | 3 |" in text


def test_runs_of_one_seed_or_of_other_pictures_are_not_told_as_chance(tmp_path):
    shown = a_run().preprocessing.model_copy(update={"fingerprint": "another"})
    runs = [a_compared_run(tmp_path / name, noise=k + 1.0) for k, name in enumerate("ab")]
    runs.append(a_compared_run(tmp_path / "c", seed=8, preprocessing=shown))

    assert "## Seeds" not in compare(runs, tmp_path / "out", draws=1000).read_text()

    runs.append(a_compared_run(tmp_path / "d", seed=8))
    assert "| tiny | none | 64 pixels, lung-box | 2 | 3 |" in compare(runs, tmp_path / "out", draws=1000).read_text()


def test_without_a_test_part_the_rest_is_told(tmp_path):
    run = a_compared_run(tmp_path / "a", table=scores(parts=("train", "validation")))

    text = compare([run], tmp_path / "out", draws=1000).read_text()

    assert "The runs have no such part" in text
    assert "AUC on validation" in text
    assert rows(tmp_path / "out/pairs.csv") == []


def test_runs_on_different_splits_are_refused(tmp_path):
    runs = [a_compared_run(tmp_path / "a"), a_compared_run(tmp_path / "b", table=scores(parts=("test", "train")))]

    with pytest.raises(RunError, match="one split"):
        compare(runs, tmp_path / "out")


def test_runs_that_group_slices_otherwise_are_refused(tmp_path):
    table = scores()
    a_compared_run(tmp_path / "a")
    a_compared_run(tmp_path / "b", table=replace(table, groups=table.files))

    with pytest.raises(RunError, match="not on one split"):
        compare([tmp_path / "a", tmp_path / "b"], tmp_path / "out")


def test_scores_that_were_altered_are_refused(tmp_path):
    run = a_compared_run(tmp_path / "a")
    scores(noise=0.0).write(run)

    with pytest.raises(RunError, match=r"Altered.*scores\.csv"):
        compare([run], tmp_path / "out")


def test_two_runs_of_one_name_are_refused(tmp_path):
    runs = [a_compared_run(tmp_path / "x/a"), a_compared_run(tmp_path / "y/a")]

    with pytest.raises(RunError, match="one name"):
        compare(runs, tmp_path / "out")


def test_a_run_may_be_called_by_a_link_to_it(tmp_path):
    a_compared_run(tmp_path / "fold/run")
    (tmp_path / "served").symlink_to(tmp_path / "fold/run")

    assert [one.title for one in read_candidates([tmp_path / "served"])] == ["served"]


@pytest.mark.parametrize("broken", ["", "file,label\nx,1\n", "file,dataset,group,label,part,logit\nx,d,g,1,test,nan\n"])
def test_scores_that_are_none_are_refused(tmp_path, broken):
    (tmp_path / "scores.csv").write_text(broken)

    with pytest.raises(RunError, match="not valid"):
        SliceScores.read(tmp_path)


def test_scores_come_back_as_they_were_written(tmp_path):
    table = scores()
    table.write(tmp_path)

    again = SliceScores.read(tmp_path)

    assert all((getattr(table, name) == getattr(again, name)).all() for name in vars(table))


def test_of_scores_that_do_not_tell_the_whole_training_part_was_learned_from(tmp_path):
    scores().write(tmp_path)
    rows_of = [line.rsplit(",", 1)[0] for line in (tmp_path / "scores.csv").read_text().splitlines()]
    (tmp_path / "scores.csv").write_text("\n".join(rows_of) + "\n")

    again = SliceScores.read(tmp_path)

    assert (again.learned == (again.parts == "train")).all()


def test_a_run_does_not_differ_from_itself():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 80)
    one = a_sample(labels + rng.normal(0, 1, 80), labels)

    found = compare_two(("a", one), ("b", one), draws=1000, seed=0)

    assert (found.auc.value, found.auc.low, found.auc.high, found.auc_p) == (0.0, 0.0, 0.0, 1.0)
    assert found.mcnemar_p is None


def test_a_run_that_knows_more_is_told_from_one_that_guesses():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100)
    knows, guesses = a_sample(4.0 * labels - 2 + rng.normal(0, 1, 200), labels), a_sample(rng.normal(0, 1, 200), labels)

    found = compare_two(("knows", knows), ("guesses", guesses), draws=1000, seed=0)

    assert 0 < found.auc.low < found.auc.value
    assert found.auc_p < 0.01
    assert found.accuracy.low > 0
    assert found.mcnemar_p < 0.01
    assert found.only_first > found.only_second


def test_slices_of_one_group_say_less_than_as_many_groups():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 40)
    one, other = (np.repeat(rng.normal(0, 1, 20), 4) + labels for _ in range(2))
    few = [a_sample(x, labels) for x in (one, other)]
    many = [Sample(s.labels, s.probabilities, s.predicted, np.arange(80).astype(str)) for s in few]

    wide, narrow = (compare_two(("a", a), ("b", b), draws=1000, seed=0).auc for a, b in (few, many))

    assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low)


def test_the_papers_rows_are_whole():
    assert [row.network for row in TABLE_3] == ["VGG16", "GoogLeNet", "ResNet50"]
    assert all(len(figures) == len(METRICS) for row in TABLE_3 for figures in row.figures.values())


def test_a_class_of_one_group_tells_no_difference_of_auc_apart_from_chance():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 40)
    groups = ["one"] * 40 + [f"g{k}" for k in range(40)]
    one, other = (Sample.of(labels, rng.random(80), threshold=0.5, groups=groups) for _ in range(2))

    found = compare_two(("a", one), ("b", other), draws=1000, seed=0)

    assert found.auc.value is not None
    assert found.auc.low is found.auc_p is None


def test_runs_that_learned_from_different_data_are_refused(tmp_path):
    fewer = [PartCount(dataset="covid-ct", label=1, part="train", records=9, groups=3)]
    runs = [a_compared_run(tmp_path / "a"), a_compared_run(tmp_path / "b", data=fewer)]

    with pytest.raises(RunError, match="trained on different data"):
        compare(runs, tmp_path / "out")


@pytest.mark.parametrize(("value", "told"), [(0.0, "< 0.001"), (0.0009, "< 0.001"), (0.012, "0.012"), (None, "-")])
def test_no_difference_is_told_as_impossible_by_chance(value, told):
    assert p_value(value) == told
