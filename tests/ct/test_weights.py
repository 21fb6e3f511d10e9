import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

from app.ct.errors import BrokenModel
from app.ct.weights import as_stored, load_weights, save_weights, weights_of

IMAGENETS_FIRST_VARIANCE = 83_614.0


def a_network() -> keras.Model:
    picture = keras.Input((4, 4, 1))
    convolved = keras.layers.Conv2D(2, 3, name="conv")(picture)
    return keras.Model(picture, keras.layers.BatchNormalization(name="bn")(convolved))


def test_batch_norm_vectors_stay_float32_and_finite(tmp_path):
    network = a_network()
    network.get_layer("bn").moving_variance.assign([IMAGENETS_FIRST_VARIANCE] * 2)

    save_weights(as_stored(weights_of(network)), tmp_path / "w")

    stored = load_file(tmp_path / "w")
    assert stored["conv/kernel"].dtype == np.float16
    assert (stored["bn/moving_variance"] == IMAGENETS_FIRST_VARIANCE).all()


def test_weights_come_back_as_stored(tmp_path):
    save_weights(as_stored(weights_of(a_network())), tmp_path / "w")
    other = a_network()

    load_weights(other, tmp_path / "w")

    stored = load_file(tmp_path / "w")
    assert all((array == stored[name].astype(np.float32)).all() for name, array in weights_of(other).items())


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_a_kernel_that_float16_cannot_hold_is_refused(value):
    with pytest.raises(BrokenModel, match="not finite"):
        as_stored({"conv/kernel": np.array([value], np.float32)})


def test_weights_of_another_network_are_refused(tmp_path):
    save_weights({"conv/kernel": np.zeros((1, 1, 1, 2), np.float16)}, tmp_path / "w")

    with pytest.raises(BrokenModel, match="do not fit"):
        load_weights(a_network(), tmp_path / "w")


def test_a_file_that_holds_no_weights_is_refused(tmp_path):
    (tmp_path / "w").write_bytes(b"\x80\x04not safetensors")

    with pytest.raises(BrokenModel, match="cannot be read"):
        load_weights(a_network(), tmp_path / "w")
