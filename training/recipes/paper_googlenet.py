"""As ``paper``, with GoogLeNet (Inception v1 as published): ``covidct-train fit paper-googlenet -w WORK -o RUN``.

To be compared, never served. Its dropout is the published one, and its two auxiliary heads are there while training.
"""

from dataclasses import replace

from training.recipes.paper import RECIPE as RESNET50
from training.recipes.paper import SUMMARY

RECIPE = replace(
    RESNET50, name="paper-googlenet", architecture="googlenet", summary=SUMMARY.replace("{network}", "GoogLeNet")
)
