"""Tables and figures of several clients at once."""

import statistics
from collections.abc import Callable, Iterator, Sequence

from tests.bench.crowd import Crowd
from tests.bench.figures import Figure, share_of
from tests.bench.lines import Course
from tests.bench.tables import Table, middle

Of = Callable[[Crowd], float]
P95 = "p95 of answers"
SINGLE_BEHIND, PULSE = "a single image behind them", "/livez p99"
SINGLE_ALONE = "clients: a single image, alone"
_OF: dict[str, tuple[str, Of]] = {
    "p50 of answers": ("s", lambda crowd: share_of((c.seconds for c in crowd.clients), 0.5)),
    P95: ("s", lambda crowd: share_of((c.seconds for c in crowd.clients), 0.95)),
    "p99 of answers": ("s", lambda crowd: share_of((c.seconds for c in crowd.clients), 0.99)),
    "all answered": ("s", lambda crowd: crowd.whole_s),
    "throughput": ("exams/s", lambda crowd: len(crowd.clients) / crowd.whole_s),
    "turned away": ("times", lambda crowd: sum(c.turned_away for c in crowd.clients)),
    SINGLE_BEHIND: ("s", lambda crowd: crowd.single.seconds),
    PULSE: ("ms", lambda crowd: 1000 * share_of(crowd.pulse_s, 0.99)),
}


def crowds_table(crowds: Sequence[Crowd], *, exam: str, engine: str) -> Table:
    """A row per number of clients."""
    rows = tuple((str(count), *(middle(map(of, found)) for _, of in _OF.values())) for count, found in _by_size(crowds))
    columns = ("clients at once", *(f"{name}, {unit}" for name, (unit, _) in _OF.items()))
    notes = (
        f"Each sends one exam ({exam}); seconds from the last byte to the full answer. Nothing is interpolated: of few clients "
        "p95 and p99 are the slowest.",
        "Turned away: told to come again (503 with Retry-After), all clients together; they came when told to, and their "
        "waiting counts.",
        "The single image is sent once all exams have been.",
    )
    return Table(f"Several clients at once ({engine} engine)", columns, rows, notes)


def crowd_figures(crowds: Sequence[Crowd], alone_s: tuple[float, ...]) -> list[Figure]:
    """Each cell of the table."""
    found = [
        Figure(crowd_name(count, name), unit, tuple(map(of, some)))
        for count, some in _by_size(crowds)
        for name, (unit, of) in _OF.items()
    ]
    return [Figure(SINGLE_ALONE, "s", alone_s), *found]


def crowd_name(clients: int, what: str) -> str:
    """Of a figure."""
    return f"clients: {clients} at once, {what}"


def course_over_clients(crowds: Sequence[Crowd]) -> list[Course]:
    """Seconds until all are answered, over clients, where there are three sizes."""
    sizes, seconds = [], []
    for count, found in _by_size(crowds):
        sizes.append(count)
        seconds.append(statistics.median(crowd.whole_s for crowd in found))
    return [Course("all answered", "clients", tuple(sizes), tuple(seconds))] if len(sizes) >= 3 else []


def _by_size(crowds: Sequence[Crowd]) -> Iterator[tuple[int, list[Crowd]]]:
    for count in sorted({len(crowd.clients) for crowd in crowds}):
        yield count, [crowd for crowd in crowds if len(crowd.clients) == count]
