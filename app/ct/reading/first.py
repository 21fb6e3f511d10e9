"""Which pictures of a large exam are decoded first, so that something can be told of it while the others are decoded."""

from collections.abc import Callable, Sequence

import numpy as np

from app.ct.spread import end_to_end

OnFirst = Callable[[Sequence[np.ndarray], int], None]
"""Takes the first pictures, uint8 (height, width) each, as they lie in the exam, and how many it has in all; what it raises ends
the reading."""

_FIRST, _LEAST = 16, 48
"""How many; and of how many at least, for fewer are all decoded soon enough."""


class First:
    """The first pictures of one exam: evenly spread, and the same ones whenever and in whatever order they are decoded."""

    def __init__(self, count: int, tell: OnFirst | None) -> None:
        """Of ``count`` pictures, to be told to ``tell`` once they are all there."""
        wanted = end_to_end(count, _FIRST) if tell and count >= _LEAST else ()
        self._count, self._tell = count, tell
        self._grays: dict[int, np.ndarray | None] = dict.fromkeys(map(int, wanted))

    @property
    def order(self) -> list[int]:
        """Places of all pictures, the first ones before the others."""
        return [*self._grays, *(place for place in range(self._count) if place not in self._grays)]

    def add(self, place: int, gray: np.ndarray) -> None:
        """Note a picture."""
        if self._tell is None or place not in self._grays:
            return
        self._grays[place] = gray
        grays = [one for one in self._grays.values() if one is not None]
        if len(grays) == len(self._grays):
            tell, self._tell = self._tell, None
            tell(grays, self._count)
