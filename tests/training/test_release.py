import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from app.ct.classifier import Classifier
from app.ct.errors import BrokenModel
from app.ct.manifest import read_manifest
from tests.training.runs import a_run, a_run_folder, an_evaluation, tamper
from training.release import release
from training.run import RunError


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_run_folder(tmp_path_factory.mktemp("trained") / "run")


@pytest.fixture(scope="module")
def released(trained: Path) -> Path:
    return release(trained, name="tiny-1", store=trained.parent / "store")


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "run")


def test_a_released_model_passes_its_self_test_on_every_engine(released: Path) -> None:
    manifest = read_manifest(released)

    assert {p.stat().st_mode & 0o777 for p in released.iterdir()} == {0o644}
    assert {p.name for p in released.iterdir()} == {*manifest.files, "manifest.json", "MODEL_CARD.md"}
    assert [p.name for p in released.parent.iterdir()] == ["tiny-1"]
    assert Classifier.load(released, engine="keras").self_test(released) < 1e-5
    assert Classifier.load(released, engine="openvino").self_test(released) < manifest.engines["openvino"].tolerance


def test_kernels_are_stored_small_and_batch_norms_whole(released: Path) -> None:
    kinds = {name.rsplit("/")[-1]: array.dtype for name, array in load_file(released / "weights.safetensors").items()}

    assert (kinds["kernel"], kinds["moving_variance"]) == (np.float16, np.float32)


def test_a_second_release_brings_the_evaluations_of_the_first(run: Path, released: Path, tmp_path: Path) -> None:
    manifest = read_manifest(released)
    weights, judgement = manifest.files["weights.safetensors"], manifest.judgement_sha256
    an_evaluation(run, "soares", weights_sha256=weights, judgement_sha256=judgement)
    an_evaluation(run, "left-out", kind="transfers", auc=0.7031)
    shutil.copytree(released.parent, tmp_path / "store")

    again = release(run, name="tiny-1", store=tmp_path / "store")

    card = (again / "MODEL_CARD.md").read_text()
    assert "0.812" in card
    assert "0.703" in card.partition("One source predicted from the others")[2]
    assert read_manifest(again).measured[0].value == 0.8125


def test_evaluations_of_other_weights_are_refused(run: Path, tmp_path: Path) -> None:
    an_evaluation(run, "soares", weights_sha256="of another model")

    with pytest.raises(RunError, match="other weights"):
        release(run, name="tiny", store=tmp_path / "store")


def test_evaluations_with_other_thresholds_are_refused(run: Path, released: Path, tmp_path: Path) -> None:
    an_evaluation(run, "soares", weights_sha256=read_manifest(released).files["weights.safetensors"])

    with pytest.raises(RunError, match="other thresholds"):
        release(run, name="tiny", store=tmp_path / "store")


def test_transfers_measured_with_the_runs_own_weights_are_refused(run: Path, released: Path, tmp_path: Path) -> None:
    weights = read_manifest(released).files["weights.safetensors"]
    an_evaluation(run, "left-out", kind="transfers", weights_sha256=weights)

    with pytest.raises(RunError, match="own weights"):
        release(run, name="tiny", store=tmp_path / "store")


def test_refusals_measured_with_other_weights_are_refused(run: Path, tmp_path: Path) -> None:
    an_evaluation(run, "foreign", kind="refusals", weights_sha256="of another model")

    with pytest.raises(RunError, match="other weights"):
        release(run, name="tiny", store=tmp_path / "store")


def test_other_limits_of_fitness_are_another_judgement(released: Path) -> None:
    manifest = read_manifest(released)
    other_limit = manifest.fitness.model_copy(update={"distance_limit": 1.0})
    other_features = manifest.files | {manifest.fitness.file: "other"}

    others = [manifest.model_copy(update=u) for u in ({"fitness": other_limit}, {"files": other_features})]

    assert all(other.judgement_sha256 != manifest.judgement_sha256 for other in others)


# 1e5 is finite in float32 and infinite in float16.
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e5])
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
def test_weights_that_are_not_finite_are_refused_and_leave_nothing(run: Path, tmp_path: Path, value: float) -> None:
    tamper(run, value)

    with pytest.raises(BrokenModel, match="not finite"):
        release(run, name="tiny", store=tmp_path / "store")

    assert list((tmp_path / "store").iterdir()) == []


def test_a_failed_release_leaves_the_model_before_it(run: Path, released: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(released.parent, tmp_path / "store"))
    (run / "weights.safetensors").write_bytes(b"cut off")

    with pytest.raises(RunError, match="cannot be read"):
        release(run, name="tiny-1", store=store)

    assert [p.name for p in store.iterdir()] == ["tiny-1"]
    assert read_manifest(store / "tiny-1") == read_manifest(released)


def test_preprocessing_that_changed_since_training_is_refused(run: Path, tmp_path: Path) -> None:
    a_run(preprocessing={"name": "lung-box", "size": 64, "fingerprint": "another behaviour"}).write(run)

    with pytest.raises(RunError, match="changed"):
        release(run, name="tiny", store=tmp_path / "store")


def test_an_engine_that_disagrees_with_the_reference_is_not_released(run: Path, tmp_path: Path) -> None:
    with pytest.raises(BrokenModel, match="self-test is off"):
        release(run, name="tiny", store=tmp_path / "store", tolerances={"f32": 1e-12})

    assert list((tmp_path / "store").iterdir()) == []


def test_a_model_that_is_too_large_is_not_released(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="less than 1 MB"):
        release(run, name="tiny", store=tmp_path / "store", max_mb=1)

    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.parametrize("name", ["../tiny", "Tiny", ".tiny", ""])
def test_a_name_that_is_no_plain_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="name"):
        release(tmp_path / "run", name=name, store=tmp_path / "store")
