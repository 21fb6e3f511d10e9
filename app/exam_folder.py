"""The files of one exam: what was uploaded, until it is diagnosed; then its slices and maps, until it expires."""

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, Self

import numpy as np
from pydantic import Field

from app.ct.arrays import save_array
from app.ct.exam import Exam
from app.ct.heatmap import Box
from app.ct.reading.files import NamedFile
from app.ct.scores import SliceScores
from app.durable import sync, sync_tree
from app.storage import room

SlicesAsked = Literal["all"] | Annotated[int, Field(ge=1, le=100_000)]
"""How many slices to score, as it is asked for over HTTP and on the command line."""


@dataclass(frozen=True)
class Wish:
    """What the sender asked for.

    Attributes:
        series_instance_uid: the series to diagnose; None leaves the choice to the reader.
        slices: how many slices to score; 0 means all of them, None the engine's default.
        example: whether the exam is the synthetic one that the page offers to try.
    """

    series_instance_uid: str | None = None
    slices: int | None = None
    example: bool = False

    @classmethod
    def of(cls, series_instance_uid: str | None, slices: SlicesAsked | None) -> Self:
        """The wish in the words of the sender."""
        return cls(series_instance_uid, 0 if slices == "all" else slices)


@dataclass(frozen=True)
class ExamFolder:
    """One exam's folder.

    ``originals/`` holds the uploaded files by number and, beside them, their names and the wish. It lives only until
    the exam is diagnosed. ``gray/`` holds one uint8 (height, width) array per slice, ``values/`` its Hounsfield units
    where they are kept, ``maps.npz`` the heat of the scored ones.

    Attributes:
        path: of the folder.
        on_left: told the path of what could not be deleted.
    """

    path: Path
    on_left: Callable[[Path], None] = field(default=lambda _: None, repr=False, compare=False)

    @property
    def originals(self) -> Path:
        """Where the uploaded files wait."""
        return self.path / "originals"

    def create(self) -> None:
        """Make the folder, readable by the service alone."""
        with room():
            self.originals.mkdir(mode=0o700, parents=True)

    def new_original(self, number: int) -> BinaryIO:
        """A file to write the upload's ``number``-th file into."""
        with room():
            return (self.originals / f"{number:06}").open("xb")

    def seal(self, names: Sequence[str], wish: Wish) -> None:
        """Note the originals' names and the wish; from here on the exam can be diagnosed, also after a loss of power."""
        asked = {"names": list(names), **asdict(wish)}
        with room():
            (self.originals / "request.json").write_text(json.dumps(asked), encoding="utf-8")
            sync_tree(self.path)

    def is_small(self, *, files: int, megabytes: int) -> bool:
        """Whether no more ``files`` were uploaded, and all together no more than ``megabytes`` (2**20 bytes)."""
        sizes = [path.stat().st_size for path in self.originals.glob("[0-9]*")]
        return len(sizes) <= files and sum(sizes) <= megabytes << 20

    def is_sealed(self) -> bool:
        """Whether the originals are still here, whole."""
        return (self.originals / "request.json").is_file()

    def request(self) -> tuple[list[NamedFile], Wish]:
        """The uploaded files in the order they came, and the wish."""
        asked = json.loads((self.originals / "request.json").read_text(encoding="utf-8"))
        files = [NamedFile(name, self.originals / f"{n:06}") for n, name in enumerate(asked["names"], start=1)]
        return files, Wish(asked["series_instance_uid"], asked["slices"], asked.get("example", False))

    def new_spool(self) -> Path:
        """An empty folder beside the originals, deleted with them."""
        spool = self.originals / "unpacked"
        shutil.rmtree(spool, ignore_errors=True)
        with room():
            spool.mkdir(mode=0o700)
        return spool

    def drop_originals(self) -> bool:
        """Delete what was uploaded; whether it is gone."""
        return self._delete(self.originals)

    def keep(self, exam: Exam, scores: SliceScores) -> None:
        """Write every slice's picture and every scored slice's map; take over the files of Hounsfield units."""
        grays, values = self.path / "gray", self.path / "values"
        with room():
            for folder in (grays, values):
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(mode=0o700)
            for index, one in enumerate(exam.slices):
                save_array(grays / f"{index:04}.npy", one.gray)
                if one.values is not None:
                    one.values.replace(values / f"{index:04}.npy")
            np.savez(self.path / "maps.npz", indices=np.array(scores.indices), heat=scores.heat, boxes=scores.boxes)
            for kept in (grays, values):
                sync_tree(kept)
            sync(self.path / "maps.npz")

    def drop_kept(self) -> None:
        """Delete what ``keep`` wrote, in part or whole."""
        for folder in (self.path / "gray", self.path / "values"):
            shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            (self.path / "maps.npz").unlink(missing_ok=True)

    def gray(self, index: int) -> np.ndarray | None:
        """uint8 (height, width) of a slice; None where the exam has no such slice."""
        path = self.path / "gray" / f"{index:04}.npy"
        return np.load(path, allow_pickle=False) if path.is_file() else None

    def values(self, index: int) -> np.ndarray | None:
        """Hounsfield units of a slice, int16 (height, width); None where there are none."""
        path = self.path / "values" / f"{index:04}.npy"
        return np.load(path, allow_pickle=False) if path.is_file() else None

    def maps(self) -> dict[int, tuple[np.ndarray, Box]]:
        """Heat and box of every scored slice, as ``heat``; empty before the exam is diagnosed."""
        path = self.path / "maps.npz"
        if not path.is_file():
            return {}
        with np.load(path, allow_pickle=False) as maps:
            indices, heat, boxes = (maps[name] for name in ("indices", "heat", "boxes"))
        return {
            int(index): (one, (int(top), int(left), int(bottom), int(right)))
            for index, one, (top, left, bottom, right) in zip(indices, heat, boxes, strict=True)
        }

    def heat(self, index: int) -> tuple[np.ndarray, Box] | None:
        """Heat float32 (rows, columns) and its box in slice pixels; None where the slice was not scored."""
        return self.maps().get(index)

    def erase(self) -> bool:
        """Delete everything; whether it is gone."""
        return self._delete(self.path)

    def _delete(self, path: Path) -> bool:
        is_gone = deleted(path)
        if not is_gone:
            self.on_left(path)
        return is_gone


def deleted(path: Path) -> bool:
    """Delete a folder as far as the disk lets it; whether it is gone."""
    shutil.rmtree(path, ignore_errors=True)
    try:
        path.lstat()
    except FileNotFoundError:
        return True
    except OSError:  # Whoever cannot look does not know.
        return False
    return False
