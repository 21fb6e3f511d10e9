"""Table 3 of the paper, and what its numbers are worth; to be shown beside ours and never without the remarks.

Source: Zhu et al., Interdisciplinary Sciences 13:73 (2021), table 3. The remarks are ours, recomputed from its figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass

METRICS = ("accuracy", "sensitivity", "specificity", "iou", "f1", "auc")
HEADINGS = ("ACC", "SENS", "SPE", "IoU", "F1", "AUC")
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Published:
    """One network's row.

    Attributes:
        network: its name.
        figures: part -> the six metrics in the order of ``METRICS``.
    """

    network: str
    figures: Mapping[str, tuple[float, ...]]


TABLE_3 = (
    Published(
        "VGG16",
        {
            "train": (0.99, 1.00, 0.99, 0.99, 0.99, 0.99),
            "validation": (0.98, 0.98, 0.98, 0.97, 0.98, 0.98),
            "test": (0.92, 0.92, 0.92, 0.85, 0.92, 0.92),
        },
    ),
    Published(
        "GoogLeNet",
        {
            "train": (0.99, 0.99, 0.99, 0.98, 0.99, 0.99),
            "validation": (0.98, 0.99, 0.98, 0.97, 0.98, 0.98),
            "test": (0.92, 0.92, 0.91, 0.85, 0.92, 0.92),
        },
    ),
    Published(
        "ResNet50",
        {
            "train": (1.00, 0.99, 0.99, 0.99, 0.99, 1.00),
            "validation": (0.96, 0.95, 0.95, 0.91, 0.95, 0.99),
            "test": (0.93, 0.93, 0.92, 0.85, 0.92, 0.93),
        },
    ),
)

REMARKS = (
    "The paper trained on 14,802 slices of 1,867 exams of its own hospitals, and tested on the first version of COVID-CT and 40"
    " normals of another hospital. Much of that version is in our covid-ct, where it trains too: its rows and ours stand beside"
    " each other, they are no match.",
    "Its F1 and IoU on test agree with its sensitivity and specificity only if non-COVID is the positive class; of COVID-19"
    " they would be .93 and .87. Ours are of COVID-19.",
    "Its AUC on test is (SENS + SPE) / 2 to two digits for all three networks, as the AUC of yes-or-no calls would be. Ours is"
    " of scores.",
    "Five of its 510 test cases lie between its ResNet50 and its VGG16: no evidence that either is better. It gives no"
    " intervals.",
    "Its 275 positive test pictures come from about 20 patients, so the figures are less certain than 275 suggest. Our"
    " intervals resample groups (patients, or blocks of slices where patients are not named), not pictures.",
    "It does not say where its negative training slices came from, and positives and negatives of its public test set came"
    " from different places: what was learned may be the source. So ours are given for each data set as well.",
)
