"""The robustness audit: what happens to an exam on its way that says nothing of disease."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from app.ct.exam import Exam, InputKind
from app.ct.windowing import LUNG, Window
from training.audits.alterations import Alteration, Change, as_gray, to_each_slice, with_grays

# One gray level of the lung window is 5.9 HU.
_HU_A_LEVEL = LUNG.width / 255
_NOISE = (2.0, 5.0, 10.0, 20.0)
_BLUR = (0.5, 1.0, 2.0)
_SHIFTS = (0.02, 0.05, 0.1)
_DEGREES = (2.0, 5.0, 10.0, 15.0)
_GAMMAS = (0.7, 0.85, 1.2, 1.4)
_CONTRASTS = (0.7, 0.85, 1.2, 1.4)
# What viewers offer as lung windows, and the mediastinal one, which shows no lung and should be refused.
_WINDOWS = (
    Window(-600, 1200),
    Window(-500, 1400),
    Window(-500, 1000),
    Window(-700, 1000),
    Window(-400, 1500),
    Window(40, 400),
)
_NEIGHBORS = (3, 5, 9)


def disturbances() -> tuple[Alteration, ...]:
    """Every disturbance that is tried, each at several strengths."""
    return (
        *(Alteration("noise", f"{s:g} levels ({s * _HU_A_LEVEL:.0f} HU)", to_each_slice(_noisy(s))) for s in _NOISE),
        *(Alteration("blur", f"{s:g} pixels", to_each_slice(_blurred(s))) for s in _BLUR),
        *(Alteration("shift", f"{s:.0%}", to_each_slice(_shifted(s))) for s in _SHIFTS),
        *(Alteration("rotation", f"{d:g} degrees", to_each_slice(_turned(d))) for d in _DEGREES),
        Alteration("mirror", "left and right", to_each_slice(lambda gray, _: gray[:, ::-1])),
        *(Alteration("gamma", f"{g:g}", to_each_slice(_bent(g))) for g in _GAMMAS),
        *(Alteration("contrast", f"{c:g}", to_each_slice(_stretched(c))) for c in _CONTRASTS),
        *(
            Alteration("window", f"{w.center:g}, {w.width:g} HU", to_each_slice(_windowed(w)), applies=_is_in_hu)
            for w in _WINDOWS
        ),
        *(Alteration("thickness", f"{k} slices", _thickened(k), applies=_holds(k)) for k in _NEIGHBORS),
    )


Alter = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _noisy(sigma: float) -> Alter:
    """Normal noise of so many gray levels, another one in every slice."""
    return lambda gray, rng: gray + sigma * rng.standard_normal(gray.shape, dtype=np.float32)


def _blurred(sigma: float) -> Alter:
    return lambda gray, _: ndimage.gaussian_filter(gray.astype(np.float32), sigma)


def _shifted(share: float) -> Alter:
    """Down and to the right by so much of each side; black comes in, what goes out is lost."""

    def alter(gray: np.ndarray, _: np.random.Generator) -> np.ndarray:
        rows, columns = (round(side * share) for side in gray.shape)
        return np.pad(gray, ((rows, 0), (columns, 0)))[: gray.shape[0], : gray.shape[1]]

    return alter


def _turned(degrees: float) -> Alter:
    """About the middle, the size kept; black comes in at the corners."""
    return lambda gray, _: ndimage.rotate(gray.astype(np.float32), degrees, reshape=False, order=1)


def _bent(gamma: float) -> Alter:
    return lambda gray, _: 255 * (gray / 255) ** gamma


def _stretched(gain: float) -> Alter:
    """About the middle gray."""
    return lambda gray, _: 127.5 + gain * (gray - 127.5)


def _windowed(window: Window) -> Alter:
    """As exported in another window; what lies outside the lung window (-1350 to 150 HU) stays at its ends."""
    hu = LUNG.center - LUNG.width / 2 + np.arange(256) * _HU_A_LEVEL
    table = window.gray(hu)
    return lambda gray, _: table[gray]


def _is_in_hu(exam: Exam) -> bool:
    """Whether it is known what HU a gray level stands for."""
    return exam.kind is not InputKind.IMAGES


def _holds(count: int) -> Callable[[Exam], bool]:
    """Whether an exam holds at least so many slices."""
    return lambda exam: len(exam.slices) >= count


def _thickened(count: int) -> Change:
    """Every slice the mean of ``count`` neighbors, the last one repeated at the ends, as a thicker one would show them."""

    def change(exam: Exam, _: np.random.Generator) -> Exam:
        stack = np.stack([s.gray for s in exam.slices]).astype(np.float32)
        return with_grays(exam, list(as_gray(ndimage.uniform_filter1d(stack, count, axis=0, mode="nearest"))))

    return change
