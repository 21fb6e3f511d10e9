"""One file per trained model; each defines ``RECIPE``, and its docstring says what was seen of it."""

from importlib import import_module

from training.recipe import Recipe


def recipe_named(name: str) -> Recipe:
    """The recipe in ``training/recipes/<name>.py``.

    Raises:
        LookupError: there is none of that name.
    """
    try:
        module = import_module(f"training.recipes.{name.replace('-', '_')}")
    except ModuleNotFoundError as error:
        raise LookupError(f"there is no recipe {name!r}") from error
    recipe: Recipe = module.RECIPE
    return recipe
