"""One file per trained model; each defines ``RECIPE``, and its docstring says what was seen of it."""

from importlib import import_module

from training.recipe import Recipe
from training.run import RunError


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
