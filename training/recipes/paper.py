"""The paper's ResNet50, as faithfully as the paper can be read: ``covidct-train fit paper -w WORK -o RUN``.

Plain SGD at learning rate 0.001 without augmentation, at most 50 epochs, ended early on the loss of validation; 6 and 12
slices of each group by class, drawn once. Ours, where the paper is silent: momentum 0.9, 16 slices a batch, dropout 0.5, ten
epochs of patience, no weight decay. ``--size`` trains on smaller pictures, ``--seed`` repeats the run with other random numbers.

Without ``--backbone-weights`` it begins at random, as its two rivals must (nowhere are ImageNet weights of GoogLeNet in
Keras): that is the paper's comparison from one start. With a folder of ResNet50's weights it begins with what is there.
Figures: ``covidct-train compare``.
"""

from app.ct.manifest import NetworkSpec
from training.fitting.baseline import Baseline
from training.learning.loop import LearningSettings

SUMMARY = (
    "{network}, every layer trained by plain SGD on a few slices of each exam, drawn once by class, without augmentation,"
    " with early stop on the loss of validation: the recipe of Zhu et al., Interdisciplinary Sciences, as far as it says."
)
LIMITATIONS = (
    "A network of this size memorizes so few slices: read what it reaches on training slices beside what it reaches on others.",
    "What tells data sets apart (size, gray level, borders) was left in the pictures, as the paper leaves it.",
    "Momentum, batch, dropout and patience are ours, for the paper does not give them.",
    "Slices of a group stand for those of an exam; in soares a group is a block of neighboring slices of more than one patient.",
)
LEARNING = LearningSettings(epochs=50, batch=16, optimizer="sgd", learning_rate=1e-3, momentum=0.9, patience=10)

RECIPE = Baseline(
    name="paper",
    summary=SUMMARY.replace("{network}", "ResNet50"),
    network=NetworkSpec(head="linear", stages=(5,), dropout=0.5),
    preprocessing="paper",
    learning=LEARNING,
    limitations=LIMITATIONS,
)
