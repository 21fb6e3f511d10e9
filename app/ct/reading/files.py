"""One file of an upload."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class NamedFile:
    """A file of an upload: its name as sent (used for ordering only, then dropped) and its bytes, in memory or on disk."""

    name: str
    content: bytes | Path

    def read(self) -> bytes:
        """All bytes of the file."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()

    @property
    def size(self) -> int:
        """Number of bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size
