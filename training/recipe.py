"""What a trained model is made with."""

from dataclasses import dataclass, field
from types import MappingProxyType

from app.ct.manifest import NetworkSpec
from training.conv5 import Conv5Settings
from training.evidence import EvidenceSettings
from training.likeness import FitnessSettings
from training.linear import LinearSettings


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a model comes out, besides the data.

    Attributes:
        name: as on the command line.
        summary: what it does, in a few sentences, for the model card.
        network: which network.
        preprocessing: "paper" or "lung-box".
        synthetic: looks with synthetic lesions per healthy slice.
        altered: altered looks per labelled slice; ``altered_of`` overrides it for some data sets.
        label_weights: data set (or "data set/style") -> how much each of its classes counts in the linear part; data sets
            that are not named do not train it.
        evidence, linear, conv5: settings of the three parts.
        fitness: how the limits of what is judged at all are fitted.
        seed: of everything random.
        without: data sets left out whole, to see how one source is predicted from the others.
        limitations: what is known to be wrong or untested, a sentence each, for the model card.
    """

    name: str
    summary: str
    network: NetworkSpec
    preprocessing: str = "lung-box"
    synthetic: int = 2
    altered: int = 2
    altered_of: MappingProxyType[str, int] = field(default_factory=lambda: MappingProxyType({}))
    label_weights: MappingProxyType[str, float] = field(default_factory=lambda: MappingProxyType({}))
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)
    linear: LinearSettings = field(default_factory=LinearSettings)
    conv5: Conv5Settings = field(default_factory=Conv5Settings)
    fitness: FitnessSettings = field(default_factory=FitnessSettings)
    seed: int = 0
    without: frozenset[str] = frozenset()
    limitations: tuple[str, ...] = ()
