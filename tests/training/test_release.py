import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from app.ct.classifier import Classifier
from app.ct.errors import BrokenModel
from app.ct.manifest import read_manifest
from tests.training.runs import (
    a_candidate,
    a_precision,
    a_run,
    a_run_folder,
    an_audit,
    an_evaluation,
    tamper,
)
from training.fitting.slice_scores import SliceScores
from training.records.catalog import Part, Record
from training.releasing.release import release
from training.run import RunError
from training.seal import SEAL, seal


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

    assert {p.stat().st_mode & 0o777 for p in released.rglob("*") if p.is_file()} == {0o644}
    assert {p.stat().st_mode & 0o777 for p in released.rglob("*") if p.is_dir()} == {0o755}
    assert {p.name for p in released.iterdir()} == {
        *manifest.files,
        "manifest.json",
        "manifest.sha256",
        "MODEL_CARD.md",
        "measured",
    }
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
    an_evaluation(run, "left-out", kind="transfers", auc=0.7031, trained_on="osic, luna")
    shutil.copytree(released.parent, tmp_path / "store")

    again = release(run, name="tiny-1", store=tmp_path / "store")

    card = (again / "MODEL_CARD.md").read_text()
    assert "0.812" in card
    left_out = card.partition("One source predicted from the others")[2]
    assert "0.703" in left_out
    assert "| luna, osic |" in left_out
    assert read_manifest(again).measured[0].value == 0.8125
    assert {str(p.relative_to(again / "measured")) for p in (again / "measured").rglob("*") if p.is_file()} == {
        "run.json",
        "evaluations/soares/metrics.json",
        "transfers/left-out/metrics.json",
    }
    assert not any("measured" in name or "/" in name for name in read_manifest(again).files)


def test_how_the_scores_of_validation_are_spread_is_in_the_manifest(run: Path, tmp_path: Path) -> None:
    records = [
        Record(Path(f"{k}.png"), 0, "soares", group="g", part=Part.TRAIN if k == 4 else Part.VALIDATION)
        for k in range(5)
    ]
    logits, learned = np.array([-3.0, 0.1, 0.1, 2.0, -9.0], np.float32), np.arange(5) == 4
    SliceScores.of(records, logits, learned=learned).write(run)
    seal(run)

    scores = read_manifest(release(run, name="tiny", store=tmp_path / "store")).scores

    assert scores is not None
    assert scores.slices == 4
    assert scores.at_most == (0.25, 0.25, 0.25, 0.25, 0.25, 0.75, 0.75, 0.75, 1.0, 1.0)


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


@pytest.mark.parametrize("kind", ["transfers", "cross-validations"])
@pytest.mark.parametrize("recipe", ["another", ""])
def test_another_recipe_trained_anew_is_refused(run: Path, tmp_path: Path, kind: str, recipe: str) -> None:
    an_evaluation(run, "anew", kind=kind, recipe=recipe, where="part=test")

    with pytest.raises(RunError, match="another recipe than tiny"):
        release(run, name="tiny", store=tmp_path / "store")


@pytest.mark.parametrize("kind", ["transfers", "cross-validations"])
def test_a_recipe_that_has_changed_under_its_name_is_another(run: Path, tmp_path: Path, kind: str) -> None:
    an_evaluation(run, "anew", kind=kind, settings="as it was", where="part=test")

    with pytest.raises(RunError, match="another recipe than tiny as it was"):
        release(run, name="tiny", store=tmp_path / "store")


@pytest.mark.parametrize("trained_on", ["covid-ct, soares", ""])
def test_transfers_to_what_was_trained_on_are_refused(run: Path, tmp_path: Path, trained_on: str) -> None:
    an_evaluation(run, "left-out", kind="transfers", trained_on=trained_on)

    with pytest.raises(RunError, match="trained on what they are measured on"):
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
    seal(run)

    with pytest.raises(RunError, match="cannot be read"):
        release(run, name="tiny-1", store=store)

    assert [p.name for p in store.iterdir()] == ["tiny-1"]
    assert read_manifest(store / "tiny-1") == read_manifest(released)


def test_preprocessing_that_changed_since_training_is_refused(run: Path, tmp_path: Path) -> None:
    a_run(preprocessing={"name": "lung-box", "size": 64, "fingerprint": "another behaviour"}).write(run)
    seal(run)

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


@pytest.mark.parametrize("name", ["run.json", "weights.safetensors", "fitness.safetensors"])
def test_a_file_that_was_altered_after_training_is_named_and_refused(run: Path, tmp_path: Path, name: str) -> None:
    content = (run / name).read_bytes()
    (run / name).write_bytes(content.replace(b"0.41", b"0.40") if name == "run.json" else content[:-1] + b"!")

    with pytest.raises(RunError, match=name):
        release(run, name="tiny", store=tmp_path / "store")


def test_scores_that_fit_did_not_write_are_refused(run: Path, tmp_path: Path) -> None:
    (run / "scores.csv").write_text("file,logit\n")

    with pytest.raises(RunError, match=r"scores\.csv"):
        release(run, name="tiny", store=tmp_path / "store")


@pytest.mark.parametrize("seal_text", [None, "", "{}", "[]"])
def test_a_run_that_did_not_end_is_refused(run: Path, tmp_path: Path, seal_text: str | None) -> None:
    (run / SEAL).unlink()
    if seal_text is not None:
        (run / SEAL).write_text(seal_text)

    with pytest.raises(RunError, match=SEAL):
        release(run, name="tiny", store=tmp_path / "store")


def test_audits_of_other_weights_are_refused(run: Path, tmp_path: Path) -> None:
    an_audit(run, "jpeg", weights_sha256="of another model")

    with pytest.raises(RunError, match="other weights than the run's: jpeg"):
        release(run, name="tiny", store=tmp_path / "store")


@pytest.mark.parametrize("model", [{"weights_sha256": "of another model"}, None])
def test_studies_of_other_weights_are_refused(run: Path, tmp_path: Path, model: dict[str, str] | None) -> None:
    (run / "exam_rules.json").write_text(json.dumps({"model": model}))

    with pytest.raises(RunError, match=r"exam_rules\.json"):
        release(run, name="tiny", store=tmp_path / "store")


def test_without_a_measurement_float32_is_served(released: Path) -> None:
    engine = read_manifest(released).engines["openvino"]

    assert (engine.precision, list(engine.allowed)) == ("f32", ["f32"])


def test_the_fastest_allowed_precision_is_served_with_its_figures(run: Path, released: Path, tmp_path: Path) -> None:
    weights = read_manifest(released).files["weights.safetensors"]
    slow, refused = a_candidate("f32", speed=1.0), a_candidate("int8", speed=3.0, faults=["heat map"])
    a_precision(run, [refused, a_candidate("bf16", speed=2.0), slow], weights_sha256=weights)

    engine = read_manifest(release(run, name="tiny", store=tmp_path / "store")).engines["openvino"]

    assert (engine.precision, engine.file, list(engine.allowed)) == ("bf16", "openvino.xml", ["bf16", "f32"])
    assert engine.allowed["bf16"].measured == a_candidate("bf16", speed=2.0).measured


def test_an_int8_graph_is_released_beside_the_one_for_processors_without_its_instructions(
    run: Path, released: Path, tmp_path: Path
) -> None:
    weights = read_manifest(released).files["weights.safetensors"]
    candidates = [a_candidate("int8", speed=3.0), a_candidate("f32", speed=1.0)]
    a_precision(run, candidates, weights_sha256=weights, graph=released / "openvino.xml")

    folder = release(run, name="tiny", store=tmp_path / "store")

    engine = read_manifest(folder).engines["openvino"]
    assert (engine.precision, engine.file) == ("int8", "openvino-int8.xml")
    assert engine.choices[engine.runs_in({"f32"})].file == "openvino.xml"
    assert Classifier.load(folder, engine="openvino").precision in ("int8", "f32")


def test_a_slower_allowed_precision_may_be_wanted_instead(run: Path, released: Path, tmp_path: Path) -> None:
    weights = read_manifest(released).files["weights.safetensors"]
    a_precision(run, [a_candidate("bf16", speed=2.0), a_candidate("f32", speed=1.0)], weights_sha256=weights)

    folder = release(run, name="tiny", store=tmp_path / "store", precision="f32")

    assert list(read_manifest(folder).engines["openvino"].choices) == ["f32"]


def test_a_precision_that_was_not_measured_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not measured"):
        release(run, name="tiny", store=tmp_path / "store", precision="bf16")


def test_a_precision_that_the_rule_forbids_is_refused(run: Path, released: Path, tmp_path: Path) -> None:
    weights = read_manifest(released).files["weights.safetensors"]
    a_precision(run, [a_candidate("bf16", faults=["heat map"]), a_candidate("f32")], weights_sha256=weights)

    with pytest.raises(RunError, match="not allowed"):
        release(run, name="tiny", store=tmp_path / "store", precision="bf16")


def test_a_precision_that_is_told_to_be_allowed_against_the_rule_is_refused(
    run: Path, released: Path, tmp_path: Path
) -> None:
    weights = read_manifest(released).files["weights.safetensors"]
    a_precision(run, [a_candidate("bf16", largest_change=0.5), a_candidate("f32")], weights_sha256=weights)

    with pytest.raises(RunError, match="allows bf16"):
        release(run, name="tiny", store=tmp_path / "store")


def test_nothing_is_released_where_not_even_float32_is_near_enough(run: Path, released: Path, tmp_path: Path) -> None:
    weights = read_manifest(released).files["weights.safetensors"]
    a_precision(run, [a_candidate("f32", faults=["change of probability"])], weights_sha256=weights)

    with pytest.raises(RunError, match="near enough"):
        release(run, name="tiny", store=tmp_path / "store")


def test_precisions_measured_on_other_weights_are_refused(run: Path, tmp_path: Path) -> None:
    a_precision(run, [a_candidate("f32")], weights_sha256="of another model")

    with pytest.raises(RunError, match="other weights"):
        release(run, name="tiny", store=tmp_path / "store")


def test_precisions_measured_under_other_thresholds_are_refused(run: Path, released: Path, tmp_path: Path) -> None:
    a_precision(run, [a_candidate("f32")], weights_sha256=read_manifest(released).files["weights.safetensors"])
    a_run(calibration=(2.0, 0.0)).write(run)
    seal(run)

    with pytest.raises(RunError, match="other thresholds"):
        release(run, name="tiny", store=tmp_path / "store")


@pytest.mark.parametrize("name", ["int8.xml", "int8.bin"])
def test_a_graph_that_is_not_the_one_measured_is_refused(run: Path, released: Path, tmp_path: Path, name: str) -> None:
    weights = read_manifest(released).files["weights.safetensors"]
    graph = released / "openvino.xml"
    a_precision(run, [a_candidate("int8"), a_candidate("f32")], weights_sha256=weights, graph=graph)
    (run / "precision" / name).write_bytes(b"another graph")

    with pytest.raises(RunError, match=name):
        release(run, name="tiny", store=tmp_path / "store")


def test_a_card_whose_sentences_state_numbers_of_their_own_is_not_released(run: Path, tmp_path: Path) -> None:
    a_run(limitations=("It reaches AUC .99 elsewhere.",)).write(run)
    seal(run)

    with pytest.raises(RunError, match=r"states 99"):
        release(run, name="tiny", store=tmp_path / "store")

    assert list((tmp_path / "store").iterdir()) == []
