import inspect
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.ct.errors import UnsupportedType
from app.ct.phantom import phantom
from app.ct.preprocessing import LungBox
from app.ct.reading import read_exam
from app.ct.windowing import Window
from training.imaging.looks import LookSettings, looks_of
from training.imaging.pictures import CODE, Studio
from training.records.catalog import Part, Record
from training.records.masks import read_mask


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    """A healthy slice, and one with lesions that nobody drew."""
    found = []
    for seed, (dataset, label) in enumerate((("luna", 0), ("covid-ct", 1))):
        chest = phantom(slices=7, lesions="many" if label else "none", seed=seed, size=128)
        Image.fromarray(chest.exam().slices[3].gray).save(tmp_path / f"{seed}.png")
        found.append(Record(tmp_path / f"{seed}.png", label, dataset, group=f"g{seed}", part=Part.TRAIN))
    return found


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path / "looks", LungBox(size=64), "lung-box", LookSettings(1, infiltrates=1, other=1), seed=0)


def test_looks_are_told_apart(studio, records):
    pictures = studio.pictures(list(enumerate(records)))

    assert pictures.records.tolist() == [0, 0, 0, 0, 1, 1]
    assert pictures.numbers.tolist() == [0, 1, 2, 3, 0, 1]
    assert pictures.drawn.tolist() == [False, False, True, True, False, False]
    assert pictures.labels.tolist() == [0, 0, 1, 0, 1, 1]
    assert pictures.known.tolist() == [True] * 4 + [False] * 2
    assert pictures.served.tolist() == [True, False, False, False, True, False]


def test_looks_are_made_once_whatever_the_split(studio, records):
    first = studio.pictures(list(enumerate(records)))
    made = {p: p.stat().st_mtime_ns for p in studio.folder.iterdir()}

    other = studio.pictures([(5, replace(records[1], part=Part.TEST)), (7, records[0])])

    assert {p: p.stat().st_mtime_ns for p in studio.folder.iterdir()} == made
    assert np.array_equal(other.images, np.concatenate([first.images[4:], first.images[:4]]))
    assert other.records.tolist() == [5, 5, 7, 7, 7, 7]


def test_many_records_are_shared_among_processes_with_the_same_looks(studio, records, monkeypatch):
    few = studio.pictures(list(enumerate(records)))
    again = replace(studio, folder=studio.folder.with_name("again"))
    monkeypatch.setattr("training.imaging.pictures._FEW", 1)

    many = again.pictures(list(enumerate(records)))

    assert [np.array_equal(a, b) for a, b in zip(vars(few).values(), vars(many).values(), strict=True)] == [True] * 7
    assert sorted(p.name for p in again.folder.iterdir()) == sorted(p.name for p in studio.folder.iterdir())


def test_a_file_that_cannot_be_read_is_said_to_be_from_another_process_too(studio, records, monkeypatch):
    monkeypatch.setattr("training.imaging.pictures._FEW", 1)
    records[1].file.write_bytes(b"no picture")

    with pytest.raises(UnsupportedType):
        studio.pictures(list(enumerate(records)))


def test_another_seed_gives_other_looks_of_the_same_slice(studio, records):
    first = studio.pictures([(0, records[0])])
    other = replace(studio, seed=1).pictures([(0, records[0])])

    assert np.array_equal(first.images[0], other.images[0])
    assert not np.array_equal(first.images[1], other.images[1])


def test_a_file_with_other_bytes_is_another_slice(studio, records):
    before = studio.pictures([(0, records[0])])
    Image.open(records[1].file).save(records[0].file)

    assert not np.array_equal(studio.pictures([(0, records[0])]).images[0], before.images[0])


def test_looks_depend_on_what_reads_files_and_masks():
    read_by = {Path(inspect.getfile(of)) for of in (read_exam, read_mask, looks_of, Window)}

    assert read_by <= set(CODE)
    assert len([path for path in CODE if path.parent.name == "reading"]) > 5


def test_other_code_makes_looks_anew_by_the_same_chances(studio, records, monkeypatch, tmp_path):
    first = studio.pictures([(0, records[0])])
    (tmp_path / "changed.py").write_text("")
    monkeypatch.setattr("training.imaging.pictures.CODE", (tmp_path / "changed.py",))

    again = studio.pictures([(0, records[0])])

    assert len(list(studio.folder.iterdir())) == 2
    assert np.array_equal(first.images, again.images)


def test_what_another_run_is_just_writing_is_left_alone(studio, records):
    studio.pictures([(0, records[0])])
    (made,) = studio.folder.iterdir()
    made.unlink()
    half_written = made.with_suffix(".tmp.npz")
    half_written.write_bytes(b"half of another run's")

    studio.pictures([(0, records[0])])

    assert half_written.read_bytes() == b"half of another run's"
    assert {p.name for p in studio.folder.iterdir()} == {made.name, half_written.name}
