"""On how many pictures of each data set ``app.ct.writing`` sees writing, as they are and with a line of it drawn into a corner.

Run as ``python -m tests.proofs.writing``; on one core it takes half a minute. Pictures that it sees writing on as they are
are listed, to be looked at.
"""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image, ImageFont

from app.ct.writing import has_writing
from tests.builders import shared_data, written_on

LINES = ("DOE^JOHN 1961-03-04", "Wang Xiaoming", "ID 4711-0815")
HEIGHTS = (10, 14, 20, 28)
PER_SET = 200


def main(folder: Path, *, seed: int = 3) -> None:
    """Print the table, then the list."""
    rng, by_set = np.random.default_rng(seed), defaultdict(list)
    with (folder / "manifest.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            by_set[row["dataset"]].append(row["file"])
    listed = list[str]()
    print("| data set | pictures | with writing | of those drawn on, found |\n|---|---|---|---|")
    for name, files in sorted(by_set.items()):
        chosen = [p for p in rng.permutation(files)[:PER_SET].tolist() if (folder / p).is_file()]
        if not chosen:
            continue
        pictures = [np.asarray(Image.open(folder / path).convert("L")) for path in chosen]
        seen = [path for path, picture in zip(chosen, pictures, strict=True) if has_writing(picture)]
        found = [has_writing(drawn_on(picture, rng)) for picture in pictures]
        print(f"| {name} | {len(pictures)} | {len(seen)} | {np.mean(found):.2f} |")
        listed += seen
    print("\n".join(listed))


def drawn_on(gray: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A line in one of the four corners, in one of four heights."""
    height, text = int(rng.choice(HEIGHTS)), str(rng.choice(LINES))
    left, top, right, bottom = ImageFont.load_default(height).getbbox(text)
    x = int(rng.choice([4, max(4, gray.shape[1] - round(right - left) - 4)]))
    y = int(rng.choice([4, max(4, gray.shape[0] - round(bottom - top) - 8)]))
    return written_on(gray, text, at=(x, y), height=height)


if __name__ == "__main__":
    main(shared_data())
