"""One file per trained model; each defines ``RECIPE``, and its docstring says what was seen of it."""

from collections.abc import Callable
from importlib import import_module

from training.fitting.recipe import Recipe
from training.run import Run, RunError


def recipe_named(name: str) -> Recipe:
    """The recipe in ``training/recipes/<name>.py``.

    Raises:
        RunError: there is none of that name.
    """
    try:
        module = import_module(f"training.recipes.{name.replace('-', '_')}")
    except ModuleNotFoundError as error:
        raise RunError(f"There is no recipe {name!r} in training/recipes.") from error
    recipe: Recipe = module.RECIPE
    return recipe


def fit_of(recipe: Recipe) -> Callable[..., Run]:
    """The function that trains a recipe of its kind; its arguments are those of ``training.fitting.fit.fit``."""
    from training.fitting import baseline, fit

    return baseline.fit if isinstance(recipe, baseline.Baseline) else fit.fit


def at_size(recipe: Recipe, size: int) -> Recipe:
    """The recipe for pictures of another size.

    Raises:
        RunError: its pictures have the size they are served at.
    """
    from training.fitting.baseline import Baseline

    if not isinstance(recipe, Baseline):
        raise RunError(f"Recipe {recipe.name!r} is served at the size it names; only the paper's recipes take --size.")
    return recipe.at_size(size)
