"""Counts of people: proportions with their intervals, and two tests on the same people. Exact where exactness exists."""

from dataclasses import dataclass
from math import sqrt
from typing import Literal

from scipy.stats import binomtest

from training.metrics.evaluation import Interval


def proportion(hits: int, of: int, *, method: Literal["exact", "wilson"] = "exact") -> Interval:
    """A share of people with its 95 % interval, Clopper and Pearson's (exact) or Wilson's; None of nobody."""
    if of == 0:
        return Interval(None)
    found = binomtest(hits, of).proportion_ci(0.95, method)
    return Interval(hits / of, low=float(found.low), high=float(found.high))


@dataclass(frozen=True)
class Paired:
    """Two tests on the same people.

    Attributes:
        both: positive by both.
        first_only: positive by the first alone.
        second_only: positive by the second alone.
        neither: positive by none.
    """

    both: int
    first_only: int
    second_only: int
    neither: int

    @property
    def n(self) -> int:
        """People."""
        return self.both + self.first_only + self.second_only + self.neither

    @property
    def mcnemar(self) -> float | None:
        """Exact two-sided p that both find as many; None where they never disagree.

        Source: McNemar, Psychometrika 12:153 (1947), with the binomial distribution in place of its approximation.
        """
        disagree = self.first_only + self.second_only
        return float(binomtest(self.first_only, disagree).pvalue) if disagree else None

    @property
    def difference(self) -> Interval:
        """Share positive by the first less share positive by the second, with a 95 % interval; None of nobody.

        Source: Newcombe, Statistics in Medicine 17:2635 (1998), method 10: square-and-add of Wilson's limits, with the
        correlation of the two tests.
        """
        if self.n == 0:
            return Interval(None)
        first = proportion(self.both + self.first_only, self.n, method="wilson")
        second = proportion(self.both + self.second_only, self.n, method="wilson")
        (p, p_below, p_above), (q, q_below, q_above) = _reach(first), _reach(second)
        phi = self._correlation()
        down = sqrt(max(0.0, p_below**2 - 2 * phi * p_below * q_above + q_above**2))
        up = sqrt(max(0.0, p_above**2 - 2 * phi * p_above * q_below + q_below**2))
        return Interval(p - q, low=p - q - down, high=p - q + up)

    def _correlation(self) -> float:
        """Phi with Newcombe's continuity correction; 0 where a test calls all alike."""
        margins = (self.both + self.first_only) * (self.second_only + self.neither)
        margins *= (self.both + self.second_only) * (self.first_only + self.neither)
        excess = self.both * self.neither - self.first_only * self.second_only
        corrected = max(excess - self.n / 2, 0.0) if excess > 0 else float(excess)
        return corrected / sqrt(margins) if margins else 0.0


def _reach(share: Interval) -> tuple[float, float, float]:
    """The value, and how far its interval reaches below and above it."""
    if share.value is None or share.low is None or share.high is None:
        raise ValueError("a share of nobody has no interval")
    return share.value, share.value - share.low, share.high - share.value
