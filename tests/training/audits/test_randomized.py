from dataclasses import replace
from itertools import islice
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from app.ct.manifest import NetworkSpec
from app.ct.network import build_network
from app.ct.phantom import phantom
from app.ct.phantom.files import dicom_files, write
from app.ct.weights import save_weights, weights_of
from tests.training.audits.scorers import LooksAt, chests, lungs
from tests.volumes import a_cut, a_nifti
from training.audits.changes import Bootstrap
from training.audits.mapped import pictures_of
from training.audits.randomized import LEARNED, Picture, Stage, cascade, randomized_network
from training.records.catalog import Catalog

SPEC = NetworkSpec(head="attention", size=32, stages=(3,), evidence_channels=4)
BOOTSTRAP = Bootstrap(200, 0)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    keras.utils.set_random_seed(5)
    save_weights(weights_of(build_network(SPEC)), path)
    return path


def a_picture(seed: int, *, drawn: bool = True) -> Picture:
    image = np.random.default_rng(seed).integers(0, 256, (32, 32), dtype=np.uint8)
    lesion = np.zeros((40, 40), bool)
    lesion[10:20, 10:20] = True
    return Picture(image, (0, 0, 40, 40), lesion if drawn else None, f"patient {seed}")


@pytest.fixture(scope="module")
def stages(weights: Path) -> dict[str, Stage]:
    pictures = [a_picture(seed, drawn=seed > 0) for seed in range(4)]
    return {stage.randomized: stage for stage in cascade(SPEC, weights, pictures, bootstrap=BOOTSTRAP)}


def test_the_cascade_goes_from_the_head_to_the_first_stage_the_network_has(stages: dict[str, Stage]) -> None:
    assert list(stages) == [LEARNED, "head", "conv3", "conv2", "conv1"]


def test_maps_are_like_themselves_and_no_longer_when_all_is_forgotten(stages: dict[str, Stage]) -> None:
    learned, forgotten = stages[LEARNED], stages["conv1"]

    assert learned.evidence_correlation.value == pytest.approx(1.0)
    assert forgotten.evidence_correlation.value is not None
    assert abs(forgotten.evidence_correlation.value) < 0.6


def test_pointing_is_measured_where_lesions_were_drawn_beside_what_chance_gives(stages: dict[str, Stage]) -> None:
    stage = stages["head"]

    assert (stage.n, stage.groups, stage.n_lesions) == (4, 4, 3)
    assert stage.pointing_game.value is not None
    assert stage.by_chance.value == pytest.approx(100 / 1600)


def test_without_drawn_lesions_there_are_correlations_alone(weights: Path) -> None:
    stage = next(cascade(SPEC, weights, [a_picture(0, drawn=False)], bootstrap=BOOTSTRAP))

    assert (stage.pointing_game.value, stage.by_chance.value, stage.n_lesions) == (None, None, 0)
    assert stage.share_correlation.value is not None


def test_pictures_without_heat_are_left_out_and_counted(weights: Path) -> None:
    flat = replace(a_picture(2), image=np.full((32, 32), 128, np.uint8))

    learned, *drawn = cascade(SPEC, weights, [a_picture(0), a_picture(1), flat], bootstrap=BOOTSTRAP)

    assert (learned.n, learned.n_heat, learned.n_emptied) == (3, 2, 0)
    assert learned.heat_correlation.value == pytest.approx(1.0)
    assert {stage.n_heat for stage in drawn} == {2}
    (alone,) = islice(cascade(SPEC, weights, [flat], bootstrap=BOOTSTRAP), 1)
    assert (alone.n_heat, alone.heat_correlation.value) == (0, None)


def test_only_what_stands_above_is_drawn_anew(weights: Path) -> None:
    learned = weights_of(randomized_network(SPEC, weights, (), seed=1))
    drawn = weights_of(randomized_network(SPEC, weights, ("head",), seed=1))

    changed = {name for name, array in learned.items() if (drawn[name] != array).any()}
    assert changed
    assert all(name.startswith("head") for name in changed)
    assert {name for name in learned if "kernel" in name and name.startswith("head")} <= changed


def masked(folder: Path, *, size: tuple[int, int] = (192, 192)) -> Catalog:
    """Three chests of one label, the last with a mask."""
    chests(folder, [{"label": 1, "ill": 1}, {"label": 0}, {"label": 0}])
    Image.new("L", size, 255).save(folder / "mask.png")
    catalog = Catalog.read(folder)
    return Catalog((*catalog.records[:2], replace(catalog.records[2], mask=folder / "mask.png")))


def test_pictures_with_drawn_lesions_come_first_then_those_of_the_disease(tmp_path: Path) -> None:
    shown = pictures_of(masked(tmp_path / "data").records, LooksAt(lungs), seed=0)

    pictures = shown.pictures
    assert [p.group for p in pictures] == ["patient 2", "patient 0", "patient 1"]
    assert [p.lesion is not None for p in pictures] == [True, False, False]
    assert shown.masks_not_used == []


def test_what_cannot_be_read_is_left_out_and_told(tmp_path: Path) -> None:
    records = masked(tmp_path / "data").records
    (tmp_path / "data/0.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")

    shown = pictures_of(records, LooksAt(lungs), seed=0)

    assert (len(shown.pictures), shown.unread) == (2, [records[0]])
    assert shown.words == "1 records cannot be read, and no figure is of them.\n\n"


@pytest.mark.parametrize(("content", "why"), [(b"no picture", "cannot be read as PNG"), (None, "has another size")])
def test_a_mask_that_cannot_be_used_counts_as_none(tmp_path: Path, content: bytes | None, why: str) -> None:
    records = masked(tmp_path / "data", size=(10, 10)).records
    if content is not None:
        (tmp_path / "data/mask.png").write_bytes(content)

    shown = pictures_of(records, LooksAt(lungs), seed=0)

    ((record, told),) = shown.masks_not_used
    assert (len(shown.pictures), record) == (3, records[2])
    assert why in told
    assert shown.words == f"1 masks are not used: {told} (1 times) Which, audit.json tells.\n\n"
    assert all(p.lesion is None for p in shown.pictures)


CHEST = phantom(slices=12, lesions="many", size=96)


def an_exam(folder: Path, *, off_mm: float = 0.0) -> Catalog:
    """An exam of twelve slices with a volume of its lesions, which lies where the exam does but for ``off_mm``."""
    write(dicom_files(CHEST), folder / "exam")
    marked = a_cut(CHEST.lesions.astype(np.uint8), spacing_mm=CHEST.spacing_mm)
    there = replace(marked, origin=marked.origin + np.array([0.0, 0.0, off_mm - 300.0]))
    (folder / "mask.nii").write_bytes(a_nifti(there))
    (folder / "manifest.csv").write_text("file,label,mask\nexam,1,mask.nii\n")
    return Catalog.read(folder)


def test_the_slices_of_an_exam_have_the_lesions_of_its_volume_of_masks(tmp_path: Path) -> None:
    shown = pictures_of(an_exam(tmp_path).records, LooksAt(lungs), seed=0)

    drawn = [p.lesion for p in shown.pictures if p.lesion is not None]
    assert shown.masks_not_used == []
    assert drawn
    assert all(any(np.array_equal(lesion, there) for there in CHEST.lesions) for lesion in drawn)


def test_a_volume_of_masks_that_lies_elsewhere_is_told_once(tmp_path: Path) -> None:
    ((_, why),) = pictures_of(an_exam(tmp_path, off_mm=900.0).records, LooksAt(lungs), seed=0).masks_not_used

    assert "no slice where the exam has one" in why
