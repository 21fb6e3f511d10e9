"""The classifier with the model that is served."""

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save

from app.ct.classifier import SELFTEST_FILE, Classifier
from app.ct.engines import NetworkOutput
from app.ct.errors import BrokenModel, EngineUnavailable
from app.ct.exam import Exam, Slice
from app.ct.lungs import find_lungs
from app.ct.manifest import file_sha256, read_manifest, write_manifest
from app.ct.phantom import phantom
from app.ct.scores import SliceScores
from tests.fakes import a_manifest, some_training_features, some_training_slices
from tests.models import a_model_folder, replaced, the_served_model


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(the_served_model(), engine="openvino")


@pytest.fixture(scope="module")
def exam() -> Exam:
    return phantom(slices=24, lesions="many", seed=5, size=256).exam()


def resealed(folder, **changes):
    """Write the manifest again with true digests, so that only the self-test can object."""
    manifest = read_manifest(the_served_model())
    files = {name: file_sha256(folder / name) for name in manifest.files}
    write_manifest(folder, manifest.model_copy(update={"files": files, **changes}))


def test_both_engines_agree_within_the_stated_tolerance(classifier, exam):
    slices = exam.slices[8:16]
    reference = Classifier.load(the_served_model(), engine="keras")

    difference = np.abs(classifier.score(slices).probabilities - reference.score(slices).probabilities).max()

    assert difference <= classifier.manifest.engines["openvino"].tolerance


def test_the_shares_of_a_slice_add_up_to_its_logit(classifier, exam):
    scores = classifier.score(exam.slices[8:16])

    rest = scores.logits - scores.share.sum(axis=(1, 2))
    assert np.ptp(rest) < 0.05 * max(1.0, np.abs(scores.logits).max())


def test_chunks_are_the_whole_and_the_first_is_spread_over_the_exam(classifier, exam):
    indices = range(4, 20)

    chunks = list(classifier.score_chunks(exam, indices, chunk=4))

    assert len(chunks) == 4
    assert chunks[0].indices[-1] - chunks[0].indices[0] >= 8
    assert SliceScores.joined(chunks).indices == tuple(indices)


def test_a_slice_scores_the_same_in_any_company(classifier, exam):
    alone = classifier.score([exam.slices[10]]).probabilities[0]
    among = classifier.score(exam.slices[6:16]).probabilities[4]

    assert alone == pytest.approx(among, abs=0.01)


def test_lesions_raise_the_evidence(classifier):
    bodies = [(seed, kind) for seed in range(5) for kind in ("none", "many")]
    scores = classifier.score([phantom(slices=9, lesions=k, seed=s, size=256).exam().slices[4] for s, k in bodies])

    top = np.sort(scores.evidence.reshape(len(bodies), -1), axis=1)[:, -60:].mean(axis=1)
    raised = top[1::2] - top[::2]
    assert raised.min() > 0.1
    assert raised.mean() > 0.15
    assert (scores.probabilities[1::2] > scores.probabilities[::2] + 0.1).all()


def test_a_file_that_was_altered_is_refused(tmp_path):
    folder = a_model_folder(tmp_path)
    replaced(folder / "openvino.bin", b"other")

    with pytest.raises(BrokenModel, match="not the file"):
        Classifier.load(folder)


def test_a_missing_file_is_refused(tmp_path):
    folder = a_model_folder(tmp_path)
    (folder / "weights.safetensors").unlink()

    with pytest.raises(BrokenModel, match="lacks"):
        Classifier.load(folder)


@pytest.mark.parametrize("shift", [0.4, np.nan])
def test_a_model_that_scores_otherwise_than_recorded_is_not_served(tmp_path, shift):
    folder = a_model_folder(tmp_path)
    recorded = load_file(folder / SELFTEST_FILE)
    recorded["probability"] = np.abs(recorded["probability"] - np.float32(shift))
    replaced(folder / SELFTEST_FILE, save(recorded))
    resealed(folder)

    with pytest.raises(BrokenModel, match="off by"):
        Classifier.load(folder)


def test_a_model_whose_maps_are_others_than_recorded_is_not_served(tmp_path):
    folder = a_model_folder(tmp_path)
    recorded = load_file(folder / SELFTEST_FILE)
    recorded["share"] = np.ascontiguousarray(recorded["share"][:, ::-1])
    replaced(folder / SELFTEST_FILE, save(recorded))
    resealed(folder)

    with pytest.raises(BrokenModel, match="maps are off"):
        Classifier.load(folder)


def test_a_model_whose_distances_from_training_are_others_than_recorded_is_not_served(tmp_path):
    folder = a_model_folder(tmp_path)
    recorded = load_file(folder / SELFTEST_FILE)
    recorded["distance"] += 0.1
    replaced(folder / SELFTEST_FILE, save(recorded))
    resealed(folder)

    with pytest.raises(BrokenModel, match="distances from training"):
        Classifier.load(folder)


@pytest.mark.parametrize("name", ["fitness.safetensors", "weights.safetensors", "selftest.safetensors", "openvino.bin"])
def test_a_file_whose_digest_is_not_listed_is_not_read(tmp_path, name):
    folder = a_model_folder(tmp_path)
    manifest = read_manifest(folder)
    write_manifest(
        folder, manifest.model_copy(update={"files": {k: v for k, v in manifest.files.items() if k != name}})
    )

    with pytest.raises(BrokenModel, match=name):
        Classifier.load(folder)


def test_limits_without_the_features_they_are_for_are_not_served(tmp_path):
    folder = a_model_folder(tmp_path)
    fitness = read_manifest(folder).fitness
    resealed(folder, fitness=fitness.model_copy(update={"masked_distance_limit": None}))

    with pytest.raises(BrokenModel, match="do not fit together"):
        Classifier.load(folder)


class Same:
    """An engine that says the same of every slice."""

    name, on_gpu, precision = "same", False, "f32"

    def __call__(self, images: np.ndarray) -> NetworkOutput:
        maps = np.zeros((len(images), 4, 4), np.float32)
        return NetworkOutput(maps[:, 0, 0], maps, maps, maps[:, 0])


def test_a_slice_with_blackened_surroundings_is_compared_with_its_own_kind():
    training = some_training_slices(some_training_features(mean=np.full(4, 100)))
    classifier = Classifier(a_manifest(masked_distance_limit=1.0), Same(), training)
    whole = phantom(slices=9, size=256).exam().slices[4]
    lungs = np.asarray(Image.fromarray(find_lungs(whole.gray).mask).resize((256, 256)))

    distance = classifier.score([whole, Slice(np.where(lungs, whole.gray, 0).astype(np.uint8))]).distance

    assert distance[1] > 10 * distance[0]


@pytest.mark.parametrize(("on_gpu", "chunks"), [(False, [8] * 4 + [1]), (True, [32, 1])])
def test_chunks_are_what_the_device_runs_at_once(on_gpu, chunks):
    engine = Same()
    engine.on_gpu = on_gpu
    exam = phantom(slices=33, size=128).exam()

    scored = Classifier(a_manifest(), engine, some_training_slices()).score_chunks(exam, range(33))

    assert [len(part.indices) for part in scored] == chunks


def test_a_slice_without_lungs_is_told_so(classifier):
    scores = classifier.score([Slice(np.full((64, 64), 130, np.uint8))])

    assert not scores.lung_found[0]
    assert scores.evidence_in_lung[0] == 0


def test_a_model_trained_with_other_preprocessing_is_not_served(tmp_path):
    folder = a_model_folder(tmp_path)
    spec = read_manifest(folder).preprocessing
    resealed(folder, preprocessing=spec.model_copy(update={"fingerprint": "0" * 16}))

    with pytest.raises(BrokenModel, match="Preprocessing"):
        Classifier.load(folder)


def test_an_engine_that_the_model_has_no_files_for_is_refused(tmp_path):
    folder = a_model_folder(tmp_path)
    resealed(folder, engines={})

    with pytest.raises(EngineUnavailable):
        Classifier.load(folder, engine="openvino")


def test_an_unknown_engine_is_refused():
    with pytest.raises(EngineUnavailable, match="abacus"):
        Classifier.load(the_served_model(), engine="abacus")


def test_the_served_model_takes_less_than_100_mb():
    assert sum(path.stat().st_size for path in the_served_model().rglob("*")) < 100e6
