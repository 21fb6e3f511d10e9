"""Files written whole or not at all."""

from pathlib import Path

from app.storage import room


def write_whole(path: Path, content: bytes) -> None:
    """Write ``content`` beside ``path`` and put it in its place; whatever interrupts leaves what was there before.

    Raises:
        StorageFull: there is no room.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with room():
            part.write_bytes(content)
            part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
