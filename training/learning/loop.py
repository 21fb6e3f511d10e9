"""One training loop for every recipe: the same numbers after a kill as without one, on any backend of Keras.

An epoch is a function of (settings, data, epoch) and of the state at its start. Batches come from a source that is asked for
an epoch by number, random numbers are seeded anew at its start, and everything that a step changes (weights, batch-norm
statistics, the seeds of dropout, the optimizer's steps, momenta and moving averages) is in the checkpoint at its end. So a
run that was killed loses the epoch it was in, and no more.

Bit for bit on the CPU. On a GPU some kernels add in no fixed order; there the numbers agree to rounding, unless the
backend is told to be deterministic.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import keras
import numpy as np

from app.ct.network import computing_in
from training.learning.averaging import averaged
from training.learning.checkpoint import FILE_NAME, load_state, load_weights_of, read_told, save_state, save_weights_of
from training.learning.history import CURVES, EVENTS, Bar, EventLog, History, progress_bar
from training.run import RunError

Batch: TypeAlias = tuple[Any, ...]
"""Inputs, targets and, where they count differently, weights; each an array or a dictionary of arrays."""


class BatchSource(Protocol):
    """Where batches come from."""

    @property
    def steps(self) -> int:
        """Batches in every epoch."""
        ...

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch (from 0): the same whenever it is asked for, whatever was asked for before."""
        ...


@dataclass(frozen=True)
class LearningSettings:
    """How a network learns.

    Attributes:
        epochs: at most.
        batch: pictures in a batch, for those who make a source.
        optimizer: its name.
        learning_rate: at the start, or at the end of the warm-up.
        momentum: of SGD.
        weight_decay: of SGD or AdamW, for kernels only.
        schedule: ``constant``, or ``cosine`` down to zero at the last epoch.
        warm_up: epochs (also parts of one) over which a cosine's rate first rises from zero.
        patience: epochs without a better monitored value after which it ends; None: all epochs are run.
        monitor: the value whose best epoch is kept, such as ``val_loss``; None keeps the last epoch.
        better: whether a lower or a higher monitored value is better.
        ema_decay: the moving average of the weights keeps this much of itself at every step, and is what is validated and
            kept; None: no average. Batch-norm statistics are averages already, and stay as they are.
        clip_norm: largest norm of all gradients together; None: any.
        precision: Keras's dtype policy, such as ``mixed_bfloat16``; what ``building`` builds computes in it.
        seed: of everything random.
    """

    epochs: int = 50
    batch: int = 16
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    warm_up: float = 0.0
    patience: int | None = None
    monitor: str | None = "val_loss"
    better: Literal["lower", "higher"] = "lower"
    ema_decay: float | None = None
    clip_norm: float | None = None
    precision: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that could not be followed."""
        if self.epochs < 1 or self.batch < 1 or self.learning_rate <= 0:
            raise ValueError("epochs, batch and learning_rate must be positive")
        if self.warm_up and self.schedule == "constant":
            raise ValueError("a constant learning rate has no warm-up")
        if self.patience is not None and self.monitor is None:
            raise ValueError("patience needs a value to monitor")
        if self.weight_decay and self.optimizer == "adam":
            raise ValueError("weight decay is of sgd and adamw; adam has none here")


@contextmanager
def building(settings: LearningSettings) -> Iterator[None]:
    """A network built inside starts from the settings' seed and computes in their precision."""
    keras.utils.set_random_seed(settings.seed)
    with computing_in(settings.precision):
        yield


def shuffled(count: int, *, seed: int, epoch: int) -> np.ndarray:
    """The order of ``count`` things in an epoch: a function of seed and epoch alone, int (count,)."""
    return np.random.default_rng((seed, epoch)).permutation(count)


def make_optimizer(settings: LearningSettings, *, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer, with its schedule over epochs of ``steps`` batches."""
    rate: Any = settings.learning_rate
    if settings.schedule == "cosine":
        rising = round(settings.warm_up * steps)
        falling = max(1, settings.epochs * steps - rising)
        target = {"initial_learning_rate": 0.0, "warmup_target": rate, "warmup_steps": rising} if rising else {}
        rate = keras.optimizers.schedules.CosineDecay(
            **{"initial_learning_rate": rate, "decay_steps": falling} | target
        )
    shared = {
        "weight_decay": settings.weight_decay or None,
        "global_clipnorm": settings.clip_norm,
        "use_ema": settings.ema_decay is not None,
        "ema_momentum": settings.ema_decay if settings.ema_decay is not None else 0.99,
    }
    match settings.optimizer:
        case "sgd":
            made = keras.optimizers.SGD(rate, momentum=settings.momentum, **shared)
        case "adam":
            made = keras.optimizers.Adam(rate, **shared)
        case "adamw":
            made = keras.optimizers.AdamW(rate, **shared | {"weight_decay": settings.weight_decay})
    if settings.weight_decay:
        made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made


def learn(
    model: keras.Model,
    training: BatchSource,
    validation: BatchSource | None = None,
    *,
    settings: LearningSettings,
    loss: Any,
    folder: Path,
    loss_weights: Any = None,
    judge: Callable[[], Mapping[str, float]] | None = None,
    key: str = "",
    progress: Callable[[str], None] = lambda _: None,
) -> History:
    """Train ``model`` in place; where ``folder`` holds a checkpoint of the same settings, go on from it.

    Args:
        model: built, with its start weights; ends with the weights of the best epoch (or of the last; see ``monitor``).
        training: what it learns from.
        validation: what every epoch is measured on; its epoch 0 is asked for each time.
        settings: how.
        loss, loss_weights: as for ``keras.Model.compile``.
        judge: called at the end of every epoch for further values of the model as it then is, such as ``val_auc``.
        folder: for the checkpoint, history.csv, learning-curves.png and TensorBoard's events.
        key: names all else the result depends on (data, start weights): a checkpoint of another key is refused.
        progress: told of every epoch.

    Returns:
        The epochs. Losses of training are means over an epoch in which the weights were changing, those of validation
        are of the weights (or their average) at its end.

    Raises:
        RunError: the checkpoint is of other settings, or a loss is not finite.
        ValueError: a source is empty, or the monitored value will not exist.
    """
    _check(training, validation, settings)
    _compile(model, settings, steps=training.steps, loss=loss, loss_weights=loss_weights)
    told = {"settings": asdict(settings), "key": key, "steps": training.steps}
    history = _resumed(model, folder, told, History((), settings.monitor, settings.better))
    events = EventLog(folder / EVENTS, history.rows)
    with progress_bar() as bar:
        while len(history.rows) < settings.epochs and not history.waited(settings.patience):
            started = time.monotonic()
            row = _train(model, training, epoch=len(history.rows), settings=settings, bar=bar)
            with averaged(model, settings.ema_decay):
                row |= _validate(model, validation, bar) | dict(judge() if judge else {})
                history = history.with_row(row | {"seconds": round(time.monotonic() - started, 1)})
                _keep_best(model, folder, history)
            save_state(model, folder / FILE_NAME, told | {"rows": history.rows})
            _drop_older(folder, history)
            history.write(folder)
            events.add(history.rows[-1])
            progress(_words(history.rows[-1], settings.epochs))
    events.close()
    load_weights_of(model, _best(folder, history))
    history.draw(folder / CURVES)
    return history


def _check(training: BatchSource, validation: BatchSource | None, settings: LearningSettings) -> None:
    if not training.steps or (validation is not None and not validation.steps):
        raise ValueError("no batch to learn from or to validate on")
    if settings.monitor == "val_loss" and validation is None:
        raise ValueError("val_loss needs a source of validation")


def _compile(model: keras.Model, settings: LearningSettings, *, steps: int, **losses: Any) -> None:
    model.compile(optimizer=make_optimizer(settings, steps=steps), jit_compile=_jit(), **losses)
    # Now, not at the first step: a checkpoint can only be loaded into variables that exist.
    model.optimizer.build(model.trainable_variables)


def _jit() -> str | bool:
    """TensorFlow compiles with XLA where there is a GPU; on a CPU its own convolutions are several times as fast."""
    if keras.backend.backend() == "tensorflow" and not keras.distribution.list_devices("gpu"):
        return False
    return "auto"


def _resumed(model: keras.Model, folder: Path, told: Mapping[str, object], fresh: History) -> History:
    """The epochs of the checkpoint, with its state set; none where there is no checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    if not path.is_file():
        return fresh
    found = read_told(path)
    rows = found.pop("rows")
    if found != told:
        raise RunError("The run's checkpoint is of other settings, data or start weights than those to go on with.")
    load_state(model, path)
    return replace(fresh, rows=tuple(rows))


def _train(
    model: keras.Model, training: BatchSource, *, epoch: int, settings: LearningSettings, bar: Bar
) -> dict[str, float]:
    """One epoch."""
    # Some backends draw dropout from one state that no checkpoint holds (torch does).
    keras.utils.set_random_seed(int(np.random.SeedSequence((settings.seed, epoch)).generate_state(1)[0]))
    bar.begin(f"epoch {epoch + 1} of {settings.epochs}", training.steps)
    values = _over(training, epoch, model.train_on_batch, bar)
    if not np.isfinite(values["loss"]):
        raise RunError(f"The loss of epoch {epoch + 1} is not finite; take a lower learning rate.")
    return {"epoch": epoch + 1, "learning_rate": float(model.optimizer.learning_rate)} | values


def _validate(model: keras.Model, validation: BatchSource | None, bar: Bar) -> dict[str, float]:
    if validation is None:
        return {}
    bar.begin("validation", validation.steps)
    values = _over(validation, 0, model.test_on_batch, bar)
    return {f"val_{name}": value for name, value in values.items()}


def _over(source: BatchSource, epoch: int, on_batch: Callable[..., Any], bar: Bar) -> dict[str, float]:
    """Means over the pictures of an epoch of what ``on_batch`` says of each batch."""
    found: list[dict[str, Any]] = []
    sizes: list[int] = []
    for batch in _ahead(source.batches(epoch)):
        sizes.append(len(keras.tree.flatten(batch[0])[0]))
        found.append(on_batch(*batch, return_dict=True))
        bar.step(float(found[-1]["loss"]))
    if len(found) != source.steps:
        raise ValueError(f"a source of {source.steps} batches gave {len(found)}")
    return {name: float(np.average([float(f[name]) for f in found], weights=sizes)) for name in found[0]}


def _ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches in the same order, the next one made while the last is learned from."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch


def _best(folder: Path, history: History) -> Path:
    return folder / f"best-{history.best_epoch:03}.safetensors"


def _keep_best(model: keras.Model, folder: Path, history: History) -> None:
    """Weights of the best epoch so far; named by it, for a kill may come before the checkpoint that says which it is."""
    if history.monitor is not None and history.monitor not in history.rows[-1]:
        raise ValueError(f"{history.monitor} is not among {', '.join(history.rows[-1])}")
    if history.best_epoch == len(history.rows):
        save_weights_of(model, _best(folder, history))


def _drop_older(folder: Path, history: History) -> None:
    for path in folder.glob("best-*.safetensors"):
        if path != _best(folder, history):
            path.unlink()


def _words(row: Mapping[str, float], epochs: int) -> str:
    values = ", ".join(f"{k} {v:.4g}" for k, v in row.items() if k not in ("epoch", "seconds"))
    return f"epoch {row['epoch']:.0f} of {epochs}: {values} ({row['seconds']:.0f} s)"
