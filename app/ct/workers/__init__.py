"""Who does the work that bytes of strangers are put into: decoding, and what follows from it for one slice at a time.

In production these are processes of their own, within limits, which may crash without taking the service along (``pool``). Tests
and training do the same work on the spot.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Broken(Exception):
    """The work on one item ended its process, or was ended for exceeding a limit."""


class Workers(Protocol):
    """Does one piece of work on many items."""

    def map(
        self, work: Callable[[Item], Result], items: Sequence[Item], *, at_once: int = 1
    ) -> Iterator[Result | Exception]:
        """What comes of each item, in order: the result, or the exception that ``work`` raised.

        Work that lies ahead of what was taken from the iterator may be done already, or not.

        Args:
            work: a function of a module, or an object of a class of one: it may be carried to another process.
            items: may be carried too.
            at_once: how many items go to a process together; more than 1 where each is little work. One that breaks
                does so alone.

        Yields:
            ``Broken`` where the process ended, else what came of the item.

        Raises:
            ServiceError: there are no workers, because they were closed or do not start.
        """
        ...


class ClosableWorkers(Workers, Protocol):
    """Workers that take room while they are there."""

    def start(self) -> None:
        """Be ready for the first work; done by ``map`` itself where it was not done before."""

    def check(self) -> None:
        """Wait until there are some.

        Raises:
            NoWorkers: they do not start.
        """

    def close(self) -> None:
        """Give the room back; nothing is done afterwards."""


class OnTheSpot:
    """Does the work in this process, item by item as results are taken."""

    def start(self) -> None:
        """Nothing."""

    def check(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""

    def map(
        self, work: Callable[[Item], Result], items: Sequence[Item], *, at_once: int = 1
    ) -> Iterator[Result | Exception]:
        """See ``Workers``."""
        del at_once
        return (outcome(work, item) for item in items)


class Noticed:
    """The work of others, with every result told of as it is taken."""

    def __init__(self, workers: Workers, on_result: Callable[[], None]) -> None:
        """Of ``workers``; what ``on_result`` raises ends the work."""
        self._workers, self._on_result = workers, on_result

    def map(
        self, work: Callable[[Item], Result], items: Sequence[Item], *, at_once: int = 1
    ) -> Iterator[Result | Exception]:
        """See ``Workers``."""
        for found in self._workers.map(work, items, at_once=at_once):
            self._on_result()
            yield found


def taken(found: Result | Exception) -> Result:
    """The result.

    Raises:
        Exception: there is none; what the work raised.
    """
    if isinstance(found, Exception):
        raise found
    return found


def outcome(work: Callable[[Item], Result], item: Item) -> Result | Exception:
    """The result, or the exception it raised."""
    try:
        return work(item)
    except Exception as error:  # noqa: BLE001  it is told, not swallowed: who takes the result raises it
        return error


ON_THE_SPOT = OnTheSpot()
