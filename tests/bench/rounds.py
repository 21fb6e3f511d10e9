"""Several ways of doing the same thing, timed by turns, so that what slows the machine down slows all of them."""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Run = Callable[[np.ndarray], np.ndarray]
"""uint8 (slices, size, size) -> logits float (slices,)."""

_LEAST_TURN_S = 0.3
_WARM_UP_CALLS = 2


@dataclass(frozen=True)
class Work:
    """One way to do ``slices`` slices' worth of something."""

    slices: int
    do: Callable[[], object]


@dataclass(frozen=True)
class Contender:
    """One way to run the network, on batches of one size."""

    name: str
    batch: int
    run: Run


@dataclass(frozen=True)
class Turns:
    """What a contender needed, turn by turn.

    Attributes:
        name, batch: the contender's.
        ms_per_slice: one figure a round.
        logits: float (batch,), what it said of the first ``batch`` slices.
    """

    name: str
    batch: int
    ms_per_slice: tuple[float, ...]
    logits: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """Median over the rounds."""
        return statistics.median(self.ms_per_slice)


def alternate(
    contenders: Sequence[Contender],
    images: np.ndarray,
    *,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
    on_round: Callable[[int], None] = lambda _: None,
) -> list[Turns]:
    """Warm every contender up, then give each one turn a round, every round in another order.

    Args:
        contenders: at least one.
        images: uint8 (slices, size, size), at least as many slices as the largest batch.
        rounds: at least 1.
        clock: seconds.
        on_round: told the number of each round as it begins.
    """
    logits = [_warmed_up(c, images[: c.batch]) for c in contenders]
    works = [Work(c.batch, lambda c=c: c.run(images[: c.batch])) for c in contenders]  # type: ignore[misc]
    spent = by_turns(works, rounds=rounds, clock=clock, on_round=on_round)
    return [Turns(c.name, c.batch, ms, said) for c, ms, said in zip(contenders, spent, logits, strict=True)]


def by_turns(
    works: Sequence[Work],
    *,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
    on_round: Callable[[int], None] = lambda _: None,
) -> list[tuple[float, ...]]:
    """Milliseconds per slice of each of ``works``, one turn a round, every round in another order; as ``alternate``."""
    spent: list[list[float]] = [[] for _ in works]
    order, shuffled = list(range(len(works))), random.Random(0)
    for number in range(1, rounds + 1):
        on_round(number)
        shuffled.shuffle(order)
        for k in order:
            spent[k].append(_turn(works[k], clock))
    return [tuple(ms) for ms in spent]


def _warmed_up(contender: Contender, images: np.ndarray) -> tuple[float, ...]:
    for _ in range(_WARM_UP_CALLS):
        logits = contender.run(images)
    return tuple(float(logit) for logit in logits)


def _turn(work: Work, clock: Callable[[], float]) -> float:
    """ms per slice; the first call is not timed, for it meets caches and threads as the turn before left them."""
    work.do()
    calls, start = 0, clock()
    while (elapsed := clock() - start) < _LEAST_TURN_S or not calls:
        work.do()
        calls += 1
    return 1000 * elapsed / (calls * work.slices)
