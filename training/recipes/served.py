"""The served model: frozen ImageNet conv1 to conv4, an evidence map learned from synthetic lesions, a linear part from labels.

``covidct-train fit served -w WORK -o RUN --backbone-weights DIR``
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
            "soares": 0.5,
            "drenet/plain": 0.3,
            "drenet/idx": 0.3,
            "drenet/named": 0.3,
            "drenet/series2": 0.3,
            "drenet/seriesIMG": 0.3,
            "sy575demo": 0.3,
            "luna": 1.0,
            "tcga-luad": 1.0,
            "osic": 1.0,
            "chestct4": 1.0,
            "vol20": 0.3,
            "covidhelper": 0.3,
            "ieee8023ct": 0.3,
        }
    ),
)
