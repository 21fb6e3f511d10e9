"""Engines are measured on the same slices, and those that are not there are named."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app.ct.engines.openvino import native_precisions
from app.ct.manifest import Manifest, read_manifest
from tests.bench.engines import SERVICE, Served, engine_figures, engines_table, network_slices
from tests.bench.entrants import ALONE, Absent, Entrant, engine_name, keras_entrants, openvino_entrants
from tests.bench.fakes import FakeEngine
from tests.bench.rounds import Turns
from tests.fakes import a_manifest, some_training_slices
from tests.models import the_served_model

Entrants = Callable[[Path, Manifest], list[Entrant]]


def turns(name: str, ms: float, *, logit: float = 0.0) -> list[Turns]:
    return [Turns(name, batch, (ms, ms), (logit,) * batch) for batch in (1, 8, 16)]


def test_engines_are_compared_with_predict_of_the_same_run() -> None:
    found = [*turns("fast", 20, logit=1.0), *turns("Keras `predict()`", 80)]

    table = engines_table(found, [Absent("other", "not installed")])

    fast, baseline, other = table.rows
    assert fast[1:3] == ("20.0 (20.0 to 20.0)", "4.00")
    assert (fast[-1], baseline[-1]) == ("0.23106", "0.00000")
    assert other[:2] == ("other", "not installed")


def test_without_the_baseline_there_is_nothing_to_compare_with() -> None:
    (row,) = engines_table(turns("alone", 20), []).rows

    assert (row[2], row[-1]) == ("", "")


@pytest.mark.parametrize(
    ("package", "module", "entrants"),
    [("keras", "app.ct.engines.keras", keras_entrants), ("openvino", "app.ct.engines.openvino", openvino_entrants)],
)
def test_an_engine_that_is_not_installed_is_said_to_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: str, module: str, entrants: Entrants
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, module, raising=False)

    found = entrants(tmp_path, a_manifest())

    assert found == [Absent(entrant.name, "not installed") for entrant in found if isinstance(entrant, Absent)]
    assert found


def test_engines_get_what_serving_would_give_them() -> None:
    slices = network_slices(a_manifest(), 20)

    assert {(s.image.shape, s.image.dtype.name) for s in slices} == {((299, 299), "uint8")}
    assert (len(slices), slices[16]) == (20, slices[0])


def test_the_service_scores_what_the_engines_are_given() -> None:
    served = Served(a_manifest(), FakeEngine(logit=1.5), some_training_slices())
    slices = network_slices(served.manifest, 4)

    name, run = served.entrant(slices)

    assert name == SERVICE
    assert np.allclose(run(np.stack([s.image for s in slices])[:3]), [1.5, 1.5, 1.5])


def test_the_library_alone_says_what_the_engine_says() -> None:
    folder = the_served_model()
    manifest = read_manifest(folder)
    found = dict(e for e in openvino_entrants(folder, manifest) if isinstance(e, tuple))
    images = np.stack([s.image for s in network_slices(manifest, 2)])
    spec = manifest.engines["openvino"]

    served = found[engine_name(spec.runs_in(native_precisions()))]

    assert np.allclose(found[ALONE](images), served(images), atol=0.01)


def test_a_precision_without_a_graph_is_said_to_be_absent() -> None:
    folder = the_served_model()
    manifest = read_manifest(folder)
    spec = manifest.engines["openvino"]

    absent = [e.name for e in openvino_entrants(folder, manifest) if isinstance(e, Absent)]

    assert absent == ([] if "int8" in spec.choices else [engine_name("int8")])


def test_every_engine_and_batch_has_a_figure() -> None:
    figures = engine_figures(turns("fast", 20))

    assert [(f.name, f.rounds) for f in figures] == [
        (f"network: fast, batch {batch}", (20, 20)) for batch in (1, 8, 16)
    ]
