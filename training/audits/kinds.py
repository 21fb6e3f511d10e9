"""Which audits there are; alone in its module, since the command line starts with it."""

from enum import StrEnum


class Audit(StrEnum):
    """The four audits."""

    SHORTCUT = "shortcut"
    JPEG = "jpeg"
    ROBUSTNESS = "robustness"
    RANDOMIZED = "randomized"
