"""How much one caller may send: exams and bytes a minute, so that nobody takes the whole service."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from app.uploads import MEGABYTE
from app.web.problems import RateLimited

_MINUTE_S = 60.0
_MOST_CALLERS = 4096
"""Callers that are remembered; of more, those not heard of for longest are forgotten."""


@dataclass
class _Spent:
    """What a caller has spent and not yet been given back: all of it comes back within a minute, evenly."""

    exams: float
    bytes: float
    at: float


class Rates:
    """What each caller has spent. Used on the event loop alone."""

    def __init__(
        self, *, exams_per_minute: int, mb_per_minute: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """With 0 there is no limit; ``clock`` tells seconds."""
        self._exams, self._bytes = exams_per_minute, mb_per_minute * MEGABYTE
        self._clock = clock
        self._callers: OrderedDict[str, _Spent] = OrderedDict()

    def take_exam(self, caller: str) -> None:
        """Count an exam.

        Raises:
            RateLimited: the caller has sent too much of late.
        """
        self._check(caller, exams=1)
        self.count_exam(caller)

    def take_again(self, caller: str) -> None:
        """Let an exam be sent that is known already, which counts for nothing but its bytes.

        Raises:
            RateLimited: the caller has sent too much of late.
        """
        self._check(caller, exams=0)

    def count_exam(self, caller: str) -> None:
        """Count an exam that is taken already; what is too much refuses those that follow, also the known."""
        self._of(caller).exams += 1

    def take_bytes(self, caller: str, count: int) -> None:
        """Count bytes as they come; what is too much refuses the exams that follow."""
        self._of(caller).bytes += count

    def _check(self, caller: str, *, exams: int) -> None:
        spent = self._of(caller)
        over = max(
            (spent.exams + exams - self._exams) / self._exams if self._exams else 0.0,
            (spent.bytes - self._bytes) / self._bytes if self._bytes else 0.0,
        )
        if over > 0:
            raise RateLimited(retry_after_s=math.ceil(over * _MINUTE_S))

    def _of(self, caller: str) -> _Spent:
        now = self._clock()
        spent = self._callers.setdefault(caller, _Spent(0.0, 0.0, now))
        back = (now - spent.at) / _MINUTE_S
        spent.exams = max(0.0, spent.exams - back * self._exams)
        spent.bytes = max(0.0, spent.bytes - back * self._bytes)
        spent.at = now
        self._callers.move_to_end(caller)
        if len(self._callers) > _MOST_CALLERS:
            self._callers.popitem(last=False)
        return spent
