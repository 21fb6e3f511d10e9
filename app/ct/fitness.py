"""Is this exam what the model was made for?

Asked three times, each as soon as it can be: what its tags say, whether it shows lung, and how far its slices are from those
the model learned from. The limits are the model's own and stand in its manifest.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from app.ct.errors import BrokenModel, NoLung, NotChest, UnlikeTraining
from app.ct.exam import Exam
from app.ct.manifest import FitnessSpec
from app.ct.words import sentence

FITNESS_FILE = "fitness.safetensors"


@dataclass(frozen=True, eq=False)
class TrainingFeatures:
    """How the features of training slices spread: a Gaussian in their main directions, one variance for all others.

    Attributes:
        mean, scale: float32 (channels,), each channel is standardized with.
        axes: float32 (channels, directions), orthonormal.
        variance: float32 (directions,), of standardized features along the axes.
        rest: float32 (1,), their mean variance across each of the other directions.

    Source: Tipping and Bishop, "Probabilistic principal component analysis", J. R. Stat. Soc. B 61:611 (1999).
    """

    mean: np.ndarray
    scale: np.ndarray
    axes: np.ndarray
    variance: np.ndarray
    rest: np.ndarray

    def __post_init__(self) -> None:
        """Shapes fit together, nothing divides by zero."""
        channels, directions = self.axes.shape
        if self.mean.shape != (channels,) or self.scale.shape != (channels,) or directions >= channels:
            raise ValueError("mean, scale and axes differ in channels")
        if self.variance.shape != (directions,) or self.rest.shape != (1,):
            raise ValueError("axes and variances differ in directions")
        if not all(np.isfinite(array).all() for array in vars(self).values()):
            raise ValueError("an array holds what is no number")
        if not min(self.scale.min(), self.variance.min(), self.rest.min()) > 0:
            raise ValueError("scales and variances must be positive")

    def distance(self, features: np.ndarray) -> np.ndarray:
        """How far slices are from training, in root mean square deviations: 1 on average for training slices.

        Args:
            features: float32 (slices, channels), of the network.

        Returns:
            float32 (slices,).
        """
        standard = (features - self.mean) / self.scale
        along = standard @ self.axes
        across = (standard**2).sum(axis=1) - (along**2).sum(axis=1)
        squares = (along**2 / self.variance).sum(axis=1) + across / self.rest
        return np.asarray(np.sqrt(np.maximum(squares, 0.0) / len(self.mean)), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class TrainingSlices:
    """How training slices look: those shown whole, and those whose surroundings came blackened, which look like nothing else.

    Attributes:
        whole: of slices shown whole.
        masked: of the others; None where training had too few of them.
    """

    whole: TrainingFeatures
    masked: TrainingFeatures | None

    def distance(self, features: np.ndarray, masked: np.ndarray, limits: FitnessSpec) -> np.ndarray:
        """How far slices are from training slices of their kind, as a share of the limit: what lies above 1 is unlike them.

        Args:
            features: float32 (slices, channels), of the network.
            masked: bool (slices,), see ``Prepared``.
            limits: of the model's manifest.

        Returns:
            float32 (slices,).
        """
        distance = self.whole.distance(features) / limits.distance_limit
        if self.masked is not None and limits.masked_distance_limit is not None:
            distance = np.where(masked, self.masked.distance(features) / limits.masked_distance_limit, distance)
        return np.asarray(distance, dtype=np.float32)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what ``save`` wrote.

        Raises:
            BrokenModel: it cannot be read, or its arrays do not fit together.
        """
        try:
            arrays = load_file(path)
            whole, masked = (
                {k.removeprefix(f"{kind}."): v for k, v in arrays.items() if k.startswith(f"{kind}.")}
                for kind in ("whole", "masked")
            )
            return cls(TrainingFeatures(**whole), TrainingFeatures(**masked) if masked else None)
        except (OSError, TypeError, ValueError, SafetensorError) as error:
            raise BrokenModel(f"{path.name} cannot be read.") from error

    def save(self, path: Path) -> None:
        """Write the arrays."""
        kinds = {"whole": self.whole, "masked": self.masked}
        arrays = {
            f"{kind}.{name}": array for kind, f in kinds.items() if f is not None for name, array in vars(f).items()
        }
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def check_body_part(exam: Exam) -> None:
    """Refuse an exam that says of itself that it is none of the chest.

    Raises:
        NotChest: every slice names one and the same other body part.
    """
    if exam.other_part is not None:
        raise NotChest(sentence("Every slice names another body part than the chest: {part}.", part=exam.other_part))


def check_lung_area(area: np.ndarray, least: float) -> None:
    """Refuse an exam none of whose slices shows lung.

    Args:
        area: float (slices,), share of each picture that is lung; see ``app.ct.selection.lung_area``.
        least: of the model's manifest.

    Raises:
        NoLung: no slice has that much.
    """
    if not area.max() >= least:
        raise NoLung.on(len(area))


def is_like_training(distance: np.ndarray) -> bool:
    """Whether at least half of the slices are like those the model was trained on; an odd slice refuses no exam.

    Args:
        distance: float (slices,), see ``TrainingSlices``; 1 is the limit.
    """
    return bool(np.mean(distance <= 1) >= 0.5)


def check_likeness(distance: np.ndarray, *, to_score: int) -> None:
    """Refuse an exam as soon as it is certain that ``is_like_training`` will not hold for it, in whatever order it is scored.

    Args:
        distance: of the slices scored so far.
        to_score: how many will be scored in all.

    Raises:
        UnlikeTraining: more than half of all are unlike those the model was trained on.
    """
    far = int((~(distance <= 1)).sum())
    if far > to_score / 2:
        if to_score == 1:
            raise UnlikeTraining(sentence("The picture looks unlike the axial chest CT that the model was trained on."))
        raise UnlikeTraining(
            sentence(
                "At least {far} of {count} slices to score look unlike the axial chest CT that the model was trained on.",
                far=far,
                count=to_score,
            )
        )


def may_be_told(distance: np.ndarray, *, to_score: int) -> bool:
    """Whether what slices add up to so far may be told: none of them is far, or half of all are near for certain.

    Args:
        distance, to_score: as for ``check_likeness``.
    """
    near = distance <= 1
    return bool(near.all() or near.sum() >= to_score / 2)
