import base64
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app import NOTICE
from tests.training.builders import a_data_set, a_gray
from training.measuring.gallery import false_negatives, false_positives, most_confident, write_gallery
from training.measuring.scoring import Scored, Shown
from training.records.catalog import Catalog


def cases(folder: Path, said: Sequence[tuple[int, float]], **row: object) -> list[Scored]:
    """One case a pair of label and probability; called at .5."""
    data = a_data_set(folder, [{"label": label, **row} for label, _ in said])
    heat = np.eye(4, dtype=np.float32)
    return [
        Scored(
            (record,),
            refused="",
            logits=(0.0,),
            probability=probability,
            called=probability >= 0.5,
            shown=Shown(record, 0, heat, box=(0, 0, 48, 64), logit=0.0, evidence_in_lung=None),
        )
        for record, (_, probability) in zip(Catalog.read(data).records, said, strict=True)
    ]


SAID = [(0, 0.6), (0, 0.9), (0, 0.1), (1, 0.4), (1, 0.2), (1, 0.95)]


def page(folder: Path, found: Sequence[Scored], **options: int) -> str:
    write_gallery(found, folder / "page.html", name=lambda r: r.file.name, facts={"Data": "d"}, **options)
    return (folder / "page.html").read_text()


def test_the_worst_come_first(tmp_path: Path) -> None:
    found = cases(tmp_path / "data", SAID)

    assert [c.probability for c in false_positives(found)] == [0.9, 0.6]
    assert [c.probability for c in false_negatives(found)] == [0.2, 0.4]
    assert [c.probability for c in most_confident(found)] == [0.9, 0.2, 0.6, 0.4]


def test_the_page_shows_each_mistake_plain_and_with_its_heat(tmp_path: Path) -> None:
    text = page(tmp_path, cases(tmp_path / "data", SAID[1:2], group="a group"))

    plain, heat = (
        Image.open(io.BytesIO(base64.b64decode(found)))
        for found in re.findall(r"data:image/png;base64,([^\"]+)", text)[:2]
    )
    assert np.array_equal(np.asarray(plain)[:20], a_gray(0)[:20])
    assert (plain.mode, heat.mode) == ("L", "RGB")
    assert plain.info["Comment"] == heat.info["Comment"] == NOTICE
    assert "000.png" in text
    assert "0.900" in text
    assert "a group" in text


def test_the_page_says_whose_pictures_these_are_and_needs_no_other_file(tmp_path: Path) -> None:
    text = page(tmp_path, cases(tmp_path / "data", SAID))

    assert NOTICE in text
    assert "belong to their sources" in text
    assert "do not publish it" in text
    assert all(source.startswith("data:image/png;base64,") for source in re.findall(r'src="([^"]*)"', text))
    assert "http" not in text
    assert "<script" not in text


def test_only_so_many_of_a_kind_are_shown_but_all_are_counted(tmp_path: Path) -> None:
    text = page(tmp_path, cases(tmp_path / "data", SAID), most=1)

    assert "At or above the threshold, but is not COVID-19: 2, the first 1" in text
    assert text.count("<figure") == 3


@pytest.mark.parametrize("said", [[], [(0, 0.1), (1, 0.9)]])
def test_where_nothing_went_wrong_the_page_says_so(tmp_path: Path, said: list[tuple[int, float]]) -> None:
    text = page(tmp_path, cases(tmp_path / "data", said) if said else [])

    assert text.count("None.") == 3
    assert "<figure" not in text


def test_names_out_of_a_manifest_cannot_write_the_page(tmp_path: Path) -> None:
    text = page(tmp_path, cases(tmp_path / "data", SAID[:1], group="<script>alert(1)</script>"))

    assert "<script" not in text
