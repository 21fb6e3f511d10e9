import json
import os
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.ct.errors import TooLarge
from app.ct.reading.files import Damaged, Unsupported
from app.ct.reading.kinds import Kind
from app.ct.reading.scale import Levels, Mirror
from app.ct.reading.values import Rescale
from app.ct.words import sentence
from app.ct.workers.plain import Unbelievable, packed, unpacked
from app.ct.workers.wire import MAX_ARRAY_BYTES, MAX_TEXT_BYTES, answer, answered


def carried(found: Any) -> Any:
    text, arrays = packed(found)
    return unpacked(text, memoryview(b"".join(one.tobytes() for one in arrays)))


@pytest.mark.parametrize(
    "found",
    [
        None,
        [1, 2.5, "three", (True, None)],
        frozenset({"AXIAL", "PRIMARY"}),
        b"bytes",
        Kind.DICOM,
        Rescale(1.0, -1024.0, signed=True),
        Mirror(4095.0, 0.0, 4095.0, 1.0),
    ],
)
def test_plain_data_comes_as_it_was(found: Any) -> None:
    assert carried(found) == found
    assert type(carried(found)) is type(found)


@pytest.mark.parametrize("dtype", ["u1", "b1", "<i2", ">u2", "<f4", "<f8", "<i8"])
def test_arrays_come_as_they_were(dtype: str) -> None:
    stored = np.arange(12).astype(dtype).reshape(3, 4).T

    found = carried([Levels(stored, Rescale(2.0, 1.0)), stored])

    assert np.array_equal(found[0].stored, stored)
    assert np.array_equal(found[1], stored)


def test_errors_come_as_they_were() -> None:
    reason = sentence("damaged or cut off")

    for error in (Damaged(reason), Unsupported(reason), TooLarge(sentence("Too large"))):
        found = carried(error)
        assert (type(found), str(found)) == (type(error), str(error))


@pytest.mark.parametrize("found", [object(), np.array([None]), np.array(["x"]), {1: 2}, os.path])
def test_nothing_else_is_carried(found: Any) -> None:
    with pytest.raises(TypeError):
        packed(found)


@pytest.mark.parametrize(
    "told",
    [
        {"~": "array", "dtype": "|O", "shape": [1]},
        {"~": "array", "dtype": "<f8", "shape": [2]},
        {"~": "array", "dtype": "<f8", "shape": [-1]},
        {"~": "array", "dtype": "<f8", "shape": [1.0]},
        {"~": "WorkerPool", "fields": {}},
        {"~": "Rescale", "fields": {"nothing": 1}},
        {"~": "error", "name": "errno", "reason": ""},
        {"~": "error", "name": "Rescale", "reason": ""},
        {"~": "Kind", "name": "__class__"},
        {"nothing": 1},
    ],
)
def test_what_no_answer_holds_is_not_believed(told: Any) -> None:
    with pytest.raises(Unbelievable):
        unpacked(json.dumps(told).encode(), memoryview(bytes(8)))


def test_a_pickle_is_not_loaded() -> None:
    with pytest.raises(Unbelievable):
        unpacked(b"cposix\nsystem\n(S'true'\ntR.", memoryview(b""))


def through_a_pipe(write: Callable[[int], object]) -> Any:
    reading, writing = os.pipe()
    try:
        write(writing)
        os.close(writing)
        return answered(reading)
    finally:
        os.close(reading)


def test_answers_come_through_a_pipe() -> None:
    found = through_a_pipe(lambda pipe: answer(pipe, [np.arange(5), "x"]))

    assert found[0].tolist() == [0, 1, 2, 3, 4]
    assert found[1] == "x"


@pytest.mark.parametrize("lengths", [(MAX_TEXT_BYTES + 1, 0), (2, MAX_ARRAY_BYTES + 1)])
def test_an_answer_longer_than_any_is_not_waited_for(lengths: tuple[int, int]) -> None:
    with pytest.raises(Unbelievable):
        through_a_pipe(lambda pipe: os.write(pipe, struct.pack("<QQ", *lengths)))


def test_an_answer_that_is_cut_off_is_none() -> None:
    with pytest.raises(EOFError):
        through_a_pipe(lambda pipe: os.write(pipe, struct.pack("<QQ", 10, 0) + b"[1"))


def test_who_keeps_one_array_does_not_keep_the_others() -> None:
    kept, _ = carried([np.zeros(10, np.uint8), np.zeros(1_000_000, np.int16)])

    assert kept.flags.owndata
