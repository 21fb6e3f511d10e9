"""Files written whole or not at all."""

import pytest

from app.commands.writing import write_whole


def test_what_was_there_is_replaced(tmp_path):
    for content in (b"first", b"second"):
        write_whole(tmp_path / "file", content)

    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"second")]


def test_what_cannot_be_put_in_its_place_leaves_nothing(tmp_path):
    (tmp_path / "file").mkdir()

    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "file", b"content")

    assert [p.name for p in tmp_path.iterdir()] == ["file"]
