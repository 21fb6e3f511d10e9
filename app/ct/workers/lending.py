"""Files that the service opens for a worker, which can open none itself."""

import os
from io import SEEK_CUR, SEEK_END, SEEK_SET, BufferedReader, RawIOBase
from typing import BinaryIO, cast


class Lent:
    """An open file as a worker has it; it reads like a path does."""

    def __init__(self, descriptor: int) -> None:
        """Take the descriptor, which whoever received it closes."""
        self._descriptor = descriptor

    def open(self, mode: str = "rb") -> BinaryIO:
        """The bytes from their beginning, wherever other readers of them stand."""
        assert mode == "rb"
        return cast(BinaryIO, BufferedReader(_Reading(self._descriptor)))

    def read_bytes(self) -> bytes:
        """All of them."""
        with self.open() as opened:
            return opened.read()

    def stat(self) -> os.stat_result:
        """What the system says of the file."""
        return os.fstat(self._descriptor)


class _Reading(RawIOBase):
    """A reader with a place of its own in a file that several share."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor, self._at = descriptor, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        begin = {SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: os.fstat(self._descriptor).st_size}[whence]
        if begin + offset < 0:
            raise ValueError("before the beginning")
        self._at = begin + offset
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        count = os.preadv(self._descriptor, [buffer], self._at)
        self._at += count
        return count
