"""As ``paper``, with VGG16's convolutions in the place of ResNet50's: ``covidct-train fit paper-vgg16 -w WORK -o RUN``.

To be compared, never served. Its three fully connected layers are left out: see ``training.learning.networks``.
"""

from dataclasses import replace

from training.recipes.paper import RECIPE as RESNET50
from training.recipes.paper import SUMMARY

RECIPE = replace(
    RESNET50, name="paper-vgg16", architecture="vgg16", summary=SUMMARY.replace("{network}", "VGG16's convolutions")
)
