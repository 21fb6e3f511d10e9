"""Which parts there are, how often each thing is measured, and how much of it."""

from dataclasses import dataclass
from enum import StrEnum

from tests.bench import crowd, exams
from tests.bench.goals import REAL
from tests.bench.sent import RAW


class Name(StrEnum):
    """The parts, in the order they are shown."""

    ENGINES = "engines"
    AGREEMENT = "agreement"
    DECODERS = "decoders"
    STAGES = "stages"
    EXAMS = "exams"
    CLIENTS = "clients"
    START = "start"
    MEMORY = "memory"
    PEERS = "peers"


@dataclass(frozen=True)
class Extent:
    """How often each thing is measured, and how much of it.

    Attributes:
        engines, decoders, stages, exams, clients, start, memory, peers: rounds.
        sizes: of exams, in slices.
        crowds: clients at once.
        peered: exams that are sent to the peer too.
    """

    engines: int
    decoders: int
    stages: int
    exams: int
    clients: int
    start: int
    memory: int
    peers: int
    sizes: tuple[int, ...]
    crowds: tuple[int, ...]
    peered: tuple[str, ...]


FULL = Extent(
    engines=5,
    decoders=3,
    stages=3,
    exams=3,
    clients=2,
    start=3,
    memory=3,
    peers=3,
    sizes=exams.SIZES,
    crowds=crowd.CROWDS,
    peered=(RAW, REAL),
)
QUICK = Extent(
    engines=2,
    decoders=1,
    stages=1,
    exams=1,
    clients=1,
    start=2,
    memory=1,
    peers=1,
    sizes=(1, 60, 300),
    crowds=(1, 4, 16),
    peered=(RAW,),
)
