"""The served model: frozen ImageNet conv1 to conv4, an evidence map learned from synthetic lesions, a linear part from labels.

``covidct-train fit served -w WORK -o RUN --backbone-weights DIR``; about half an hour on two cores. Its figures are in the
model card, from ``make model``.

Chosen by cross-validation over groups and on validation, with the scores of the four whole exams in view: the weights of
the data sets, the strength of the penalty, and pooling by squared evidence with an empty place beside it. What did not help:
mean pooling beside it (better within a source, no better on a source left out, and heat outside the lungs), pooling the
strongest 60 places, letting every data set count the same (soares, with few patients and many slices, then makes covid-ct
worse).
"""

from types import MappingProxyType

from app.ct.manifest import NetworkSpec
from training.recipe import Recipe

RECIPE = Recipe(
    name="served",
    summary=(
        "ImageNet weights of conv1 to conv4, not changed. The evidence map is trained on synthetic lesions drawn on healthy"
        " slices and on lesion masks drawn by people. The linear part is fitted to real labels, on features pooled over the"
        " places the evidence map points at, every class of every data set counting alike within the weights of the recipe."
    ),
    network=NetworkSpec(head="attention", stages=(3, 4)),
    altered=2,
    altered_of=MappingProxyType({"covid-ct": 6, "luna": 1, "soares": 1}),
    label_weights=MappingProxyType(
        {
            "covid-ct": 1.0,
            "soares": 0.25,
            "drenet/plain": 0.3,
            "drenet/idx": 0.3,
            "drenet/named": 0.3,
            "drenet/series2": 0.3,
            "drenet/seriesIMG": 0.3,
            "luna": 1.0,
            "tcga-luad": 1.0,
            "osic": 1.0,
            "chestct4": 1.0,
            "vol20": 0.3,
            "ieee8023ct": 0.3,
        }
    ),
    limitations=(
        "COVID-19 against other pneumonia is told apart poorly: see drenet within one style, and one source predicted from the"
        " others. What the model tells well is lungs with lesions from lungs without.",
        "drenet's styles go with its classes (size and gray level alone reach AUC .81 there), so its figures over all styles,"
        " by slice and by patient, are too good; of its validation patients in the one style with both classes only one is"
        " negative.",
        "soares names no patients: its intervals are by blocks of 62 neighboring slices, with a gap of 10 at the borders.",
        "Validation parts chose calibration, thresholds, bands, the exam rule and the recipe's weights; no untouched test part"
        " is in the data.",
        "Whole exams trained nothing and set no threshold, but the scores of four were in view while the recipe was explored"
        " (with validation they spoke for the empty place in the attention), and four are too few to measure on.",
        "conv5 of ResNet50 is not used: its ImageNet weights were not at hand.",
        "Lungs are found classically: dense consolidation of a whole lung, or a picture without the chest wall, can mislead it.",
        "The heatmap's places lie up to 3 pixels of 299 from where the convolutions are centered.",
    ),
)
