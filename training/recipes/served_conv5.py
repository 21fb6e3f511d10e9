"""As ``served``, with a fresh conv5 as a further input of the head: whether it earns its place is measured, not assumed.

``covidct-train fit served-conv5 -w WORK -o RUN --backbone-weights DIR``; after ``served``, a quarter of an hour more on two
cores. It did not earn it: validation AUC .791, .847 and .894 on covid-ct, soares and drenet, against .812, .875 and .906
without it. Some 3,000 labelled slices are too few for 15 million new weights.
"""

from dataclasses import replace

from app.ct.manifest import NetworkSpec
from training.conv5 import Conv5Settings
from training.recipes.served import RECIPE as SERVED

RECIPE = replace(
    SERVED,
    name="served-conv5",
    summary=SERVED.summary + " A conv5 that starts at random is then trained on what the linear part leaves.",
    network=NetworkSpec(head="attention", stages=(3, 4, 5)),
    conv5=Conv5Settings(epochs=1),
)
