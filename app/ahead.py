"""The first word of a large exam: some of its slices are scored while the others are still being decoded.

Which ones depends on the exam alone, and what is scored here is not scored again: the report is the same as without.
"""

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from app.ct.exam import Exam, InputKind, Order, Slice
from app.ct.scores import SliceScores
from app.ct.selection import lung_area, select_slices

_SLICES = 8


class Ahead:
    """What is known of one exam before it is read; ``seconds`` went into that."""

    def __init__(
        self,
        score: Callable[[Exam, Sequence[int]], Iterable[SliceScores]],
        limit: int | None,
        least_lung_area: float,
        *,
        tell: Callable[[SliceScores, int], None],
    ) -> None:
        """Nothing so far.

        Args:
            score: scores slices of an exam, in parts.
            limit: most slices that will be scored; None for all that show lung.
            least_lung_area: share of the picture; an exam with less may be refused, and nothing is told of it ahead.
            tell: is given the first scores, and how many slices will be scored at most.
        """
        self._score, self._limit, self._least, self._tell = score, limit, least_lung_area, tell
        self._grays: list[np.ndarray] = []
        self._scores: SliceScores | None = None
        self.seconds = 0.0

    def look(self, grays: Sequence[np.ndarray], count: int) -> None:
        """Score those that show lung of some pictures of ``count``; not where few are wanted of all.

        Args:
            grays: uint8 (height, width) each, spread over the exam.
            count: pictures in the exam.
        """
        to_score = count if self._limit is None else min(self._limit, count)
        if to_score < len(grays):
            return
        start = time.perf_counter()
        exam = Exam(tuple(map(Slice, grays)), kind=InputKind.IMAGES, order=Order.UPLOAD, files=len(grays))
        area = lung_area(exam)
        if area.max() >= self._least:
            chosen = select_slices(area, _SLICES)
            self._grays = [grays[k] for k in chosen]
            self._scores = SliceScores.joined(list(self._score(exam, chosen)))
            self._tell(self._scores, to_score)
        self.seconds = time.perf_counter() - start

    def known(self, exam: Exam, chosen: Sequence[int]) -> SliceScores | None:
        """The scores of those slices that were scored already, None without any; a picture altered since then is another."""
        if self._scores is None:
            return None
        places = {id(gray): place for place, gray in enumerate(self._grays)}
        found = [(k, places[id(exam.slices[k].gray)]) for k in chosen if id(exam.slices[k].gray) in places]
        return self._scores.at([place for _, place in found], indices=[k for k, _ in found]) if found else None
