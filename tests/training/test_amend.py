import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.ct.manifest import read_manifest
from tests.models import the_served_model
from tests.training.runs import a_candidate, a_precision, a_run_folder, an_audit, an_evaluation
from training.measured import measurements
from training.metrics.evaluation import Interval
from training.metrics.pairwise import Comparison
from training.releasing.amend import amend
from training.releasing.release import release
from training.run import RunError
from training.studies.paired_table import as_rows


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("amended")
    run = a_run_folder(folder / "run")
    bare = read_manifest(release(run, name="bare", store=folder / "store"))
    digests = {"weights_sha256": bare.files["weights.safetensors"], "judgement_sha256": bare.judgement_sha256}
    an_evaluation(run, "blocks", auc=0.8765, **digests)
    an_evaluation(run, "without-soares", kind="transfers", auc=0.7031)
    return release(run, name="tiny-1", store=folder / "store")


@pytest.fixture
def model(released: Path, tmp_path: Path) -> Path:
    return shutil.copytree(released, tmp_path / "store" / "tiny-1")


def precisions_of_others(to: Path) -> None:
    run = a_run_folder(to.parent / "another")
    a_precision(run, [a_candidate("bf16")])
    shutil.copy(run / "precision.json", to)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_was_measured_since_stands_in_the_card_beside_what_was_before(model: Path, tmp_path: Path) -> None:
    an_evaluation(tmp_path, "without-drenet", kind="transfers", auc=0.6421)
    an_evaluation(tmp_path, "folds", kind="cross-validations", auc=0.6543, where="part=test")
    before = contents(model)

    card = amend(model, tmp_path).read_text()

    for figure in ("0.876", "0.703", "0.642", "0.654"):
        assert figure in card
    changed = {name for name, content in contents(model).items() if before.get(name) != content}
    assert changed == {
        "MODEL_CARD.md",
        "measured/transfers/without-drenet/metrics.json",
        "measured/cross-validations/folds/metrics.json",
    }
    assert before.keys() <= contents(model).keys()


def test_a_title_that_is_there_is_replaced(model: Path, tmp_path: Path) -> None:
    an_evaluation(tmp_path, "without-soares", kind="transfers", auc=0.7654)

    card = amend(model, tmp_path).read_text()

    assert "0.765" in card
    assert "0.703" not in card


def test_pairs_stay_with_the_comparison_they_are_of(model: Path, tmp_path: Path) -> None:
    pair = Comparison("a", "b", Interval(0.1), None, Interval(0.2), only_first=1, only_second=2, mcnemar_p=0.5)
    (tmp_path / "compare.csv").write_text("run,part,source,auc,auc_low,auc_high\na,test,all,0.6,,\n")
    with (tmp_path / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows(as_rows([pair]))

    assert "| a less b | 0.100 |" in amend(model, tmp_path).read_text()
    assert (model / "measured/pairs.csv").is_file()

    (tmp_path / "pairs.csv").unlink()
    assert "a less b" not in amend(model, tmp_path).read_text()
    assert not (model / "measured/pairs.csv").exists()


def test_the_same_card_is_written_from_what_is_there(model: Path, tmp_path: Path) -> None:
    before = contents(model)

    amend(model, model / "measured")

    assert contents(model) == before


@pytest.mark.parametrize(
    ("measure", "why"),
    [
        (lambda _: None, "Nothing that was measured"),
        (lambda to: an_evaluation(to, "other", weights_sha256="of another model"), "other weights"),
        (lambda to: an_audit(to, "jpeg"), "other weights"),
        (lambda to: an_evaluation(to, "anew", kind="transfers", recipe="another"), "another recipe"),
        (lambda to: an_evaluation(to, "folds", kind="cross-validations"), "not measured where part=test"),
        (lambda to: an_evaluation(to, "anew", kind="transfers", trained_on="soares"), "trained on what"),
        (precisions_of_others, "precision.json was measured with other weights"),
    ],
)
def test_what_is_not_of_this_model_changes_nothing(
    measure: Callable[[Path], object], why: str, model: Path, tmp_path: Path
) -> None:
    to = tmp_path / "measured"
    to.mkdir()
    measure(to)
    before = contents(model)

    with pytest.raises(RunError, match=why):
        amend(model, to)

    assert contents(model) == before


def test_a_model_without_what_its_card_was_made_of_cannot_be_amended(model: Path, tmp_path: Path) -> None:
    an_evaluation(tmp_path, "without-drenet", kind="transfers")
    shutil.rmtree(model / "measured")

    with pytest.raises(RunError, match="release its run again"):
        amend(model, tmp_path)


def test_the_served_model_can_be_amended() -> None:
    kept = the_served_model() / "measured"

    assert (kept / "run.json").is_file()
    assert len(list(measurements(kept))) > 5


def test_the_card_of_the_served_model_is_what_its_measured_files_give(tmp_path: Path) -> None:
    served = the_served_model()
    copy = shutil.copytree(served, tmp_path / served.name)

    amend(copy, copy / "measured")

    assert (copy / "MODEL_CARD.md").read_text() == (served / "MODEL_CARD.md").read_text()
