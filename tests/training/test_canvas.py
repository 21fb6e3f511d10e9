import re
from pathlib import Path

import numpy as np
from PIL import Image

import training
from app import NOTICE
from training.canvas import canvas, save


def test_a_picture_says_what_it_is_not_for_below_its_panels_and_in_the_file(tmp_path: Path) -> None:
    figure, _ = canvas(2, size=(5, 4))

    save(figure, tmp_path / "picture.png")

    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.info["Comment"] == NOTICE
        below = np.asarray(picture.convert("L"))[-25:]
    assert figure.get_supxlabel() == NOTICE
    assert below.min() < 100


def test_no_picture_is_saved_but_through_the_canvas() -> None:
    sources = Path(training.__file__).parent.rglob("*.py")
    saving = [path.name for path in sources if re.search(r"savefig|matplotlib\.figure", path.read_text())]

    assert saving == ["canvas.py"]
