import numpy as np
import pytest

from app.ct.engines import NetworkOutput
from app.ct.engines.keras import Batches


class ResourceExhaustedError(Exception):
    """By this name TensorFlow tells that memory ran out."""


class Memory:
    """Runs what fits."""

    def __init__(self, room: int, fault: type[Exception] = ResourceExhaustedError) -> None:
        self.room, self.fault, self.asked = room, fault, []

    def __call__(self, images: np.ndarray) -> NetworkOutput:
        self.asked.append(len(images))
        if len(images) > self.room:
            raise self.fault
        maps = np.zeros((len(images), 1, 1), np.float32)
        return NetworkOutput(images[:, 0, 0].astype(np.float32), maps, maps, maps[:, 0])


def test_a_batch_that_does_not_fit_is_halved_and_no_image_is_lost():
    memory = Memory(room=3)

    found = Batches(memory, 8)(np.arange(7, dtype=np.uint8).reshape(7, 1, 1))

    assert found.logit.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert memory.asked[:3] == [7, 4, 2]


def test_a_halved_batch_stays_halved():
    memory = Memory(room=4)
    batches = Batches(memory, 8)
    batches(np.zeros((8, 1, 1), np.uint8))
    memory.asked.clear()

    batches(np.zeros((8, 1, 1), np.uint8))

    assert memory.asked == [4, 4]


@pytest.mark.parametrize("memory", [Memory(room=0), Memory(room=0, fault=ValueError)])
def test_what_smaller_batches_do_not_mend_is_raised(memory):
    with pytest.raises(memory.fault):
        Batches(memory, 8)(np.zeros((2, 1, 1), np.uint8))
