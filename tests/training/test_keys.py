import numpy as np

from training.keys import array_key, file_key, key_of


def test_another_thing_has_another_key():
    assert key_of("a", 1) == key_of("a", 1)
    assert key_of("a", 1) != key_of("a", 2)


def test_a_file_is_known_by_its_bytes(tmp_path):
    for name, text in (("a", "x"), ("b", "x"), ("c", "y")):
        (tmp_path / name).write_text(text)

    assert file_key(tmp_path / "a") == file_key(tmp_path / "b") != file_key(tmp_path / "c")


def test_arrays_are_known_by_every_value_their_type_and_their_shape():
    array = np.zeros((40, 40), np.uint8)
    other = array.copy()
    other[33, 7] = 1

    assert array_key(array) == array_key(array.copy())
    assert len({array_key(k) for k in (array, other, array.astype(bool), array.ravel(), array[:, :0])}) == 5
