"""From Hounsfield units to the 8-bit gray of a window."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Window:
    """A range of Hounsfield units shown from black to white.

    Source: DICOM PS3.3 C.11.2.1.3.2 (LINEAR_EXACT).
    """

    center: float
    width: float

    def __post_init__(self) -> None:
        """Refuse a window without width."""
        if not self.width > 0:
            raise ValueError(f"window width must be positive, got {self.width}")

    def __call__(self, hu: np.ndarray) -> np.ndarray:
        """Map HU linearly onto 0..1, clipping outside the window.

        Args:
            hu: any shape, Hounsfield units.

        Returns:
            float32 array of the same shape; 0 at ``center - width / 2``, 1 at ``center + width / 2``. ``hu`` is left untouched.
        """
        low = np.float32(self.center - self.width / 2)
        scaled = (hu.astype(np.float32) - low) / np.float32(self.width)
        return np.asarray(np.clip(scaled, 0.0, 1.0))

    def gray(self, hu: np.ndarray) -> np.ndarray:
        """Map HU onto 8-bit gray.

        Args:
            hu: any shape, Hounsfield units.

        Returns:
            uint8 array of the same shape; 0 is black, 255 white. ``hu`` is left untouched.
        """
        return np.rint(self(hu) * 255.0).astype(np.uint8)


LUNG = Window(center=-600.0, width=1500.0)
