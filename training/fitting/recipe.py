"""What a trained model is made with."""

from dataclasses import dataclass, field, replace
from types import MappingProxyType

from app.ct.manifest import NetworkSpec
from training.deciding.stability import PHANTOM_SLICES
from training.fitting.likeness import FitnessSettings
from training.imaging.looks import LookSettings
from training.keys import key_of
from training.learning.stretches import Stretch
from training.stated import check_stated


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a model comes out, besides the data.

    Attributes:
        name: as on the command line.
        summary: what it does, in a few sentences, for the model card.
        network: which network.
        preprocessing: "paper" or "lung-box".
        looks: how many looks of each slice there are.
        label_weights: data set (or "data set/style") -> how often each of its classes is seen; of data sets that are not
            named the labels are not learned.
        one_class_share: see ``training.records.balance.balanced_weights``.
        stretches: of training, in order.
        fitness: how the limits of what is judged at all are fitted.
        phantom_slices: of each phantom that exam rules are tried on.
        seed: of everything random.
        without: data sets left out whole, to see how one source is predicted from the others.
        limitations: what is known to be wrong or untested, a sentence each, for the model card; figures in it and in the
            summary are places to be filled from the run's files, see ``training.stated``.
    """

    name: str
    summary: str
    network: NetworkSpec
    preprocessing: str = "lung-box"
    looks: LookSettings = field(default_factory=LookSettings)
    label_weights: MappingProxyType[str, float] = field(default_factory=lambda: MappingProxyType({}))
    one_class_share: float = 0.25
    stretches: tuple[Stretch, ...] = ()
    fitness: FitnessSettings = field(default_factory=FitnessSettings)
    phantom_slices: int = PHANTOM_SLICES
    seed: int = 0
    without: frozenset[str] = frozenset()
    limitations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse sentences for the card that state a number of their own, before hours of training rather than after."""
        check_stated((self.summary, *self.limitations))

    @property
    def key(self) -> str:
        """Digest of what is trained, whatever is said of it, with whatever data and seed."""
        return key_of(replace(self, summary="", limitations=(), seed=0, without=frozenset()))
