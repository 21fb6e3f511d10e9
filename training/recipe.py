"""What a trained model is made with."""

from dataclasses import dataclass, field
from types import MappingProxyType

from app.ct.manifest import NetworkSpec
from training.evidence import EvidenceSettings
from training.likeness import FitnessSettings
from training.linear import LinearSettings
from training.looks import Drawn
from training.stated import check_stated
from training.tuning import TuningSettings


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a model comes out, besides the data.

    Attributes:
        name: as on the command line.
        summary: what it does, in a few sentences, for the model card.
        network: which network.
        preprocessing: "paper" or "lung-box".
        drawn: looks with synthetic disease per healthy slice.
        altered: altered looks per labelled slice; ``altered_of`` overrides it for some data sets.
        label_weights: data set (or "data set/style") -> how much each of its classes counts in the linear part; data sets
            that are not named do not train it.
        evidence, linear: settings of the parts of the head, which is trained first, on the backbone as it starts.
        tuning: stretches of fine-tuning of all there is, in order; none leaves the backbone as it starts.
        fitness: how the limits of what is judged at all are fitted.
        seed: of everything random.
        without: data sets left out whole, to see how one source is predicted from the others.
        limitations: what is known to be wrong or untested, a sentence each, for the model card; figures in it and in the
            summary are places to be filled from the run's files, see ``training.stated``.
    """

    name: str
    summary: str
    network: NetworkSpec
    preprocessing: str = "lung-box"
    drawn: Drawn = field(default_factory=Drawn)
    altered: int = 2
    altered_of: MappingProxyType[str, int] = field(default_factory=lambda: MappingProxyType({}))
    label_weights: MappingProxyType[str, float] = field(default_factory=lambda: MappingProxyType({}))
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)
    linear: LinearSettings = field(default_factory=LinearSettings)
    tuning: tuple[TuningSettings, ...] = ()
    fitness: FitnessSettings = field(default_factory=FitnessSettings)
    seed: int = 0
    without: frozenset[str] = frozenset()
    limitations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse sentences for the card that state a number of their own, before hours of training rather than after."""
        check_stated((self.summary, *self.limitations))
