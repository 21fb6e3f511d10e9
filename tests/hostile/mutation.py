"""Files with some bytes changed, the way fuzzers do."""

import random
import struct

_ODD = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_HEAD = 600


def mutated(chance: random.Random, content: bytes, other: bytes) -> bytes:
    """``content`` with one to six changes, some of them with parts of ``other``; mostly where headers are."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(min(len(changed), _HEAD) if chance.random() < 0.6 else len(changed)) if changed else 0
        match chance.randrange(8):
            case 0 | 1:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 2 | 3:
                width = chance.choice((1, 2, 4))
                form = chance.choice("<>") + {1: "B", 2: "H", 4: "I"}[width]
                changed[at : at + width] = struct.pack(form, chance.choice(_ODD) & ((1 << 8 * width) - 1))
            case 4:
                del changed[at:]
            case 5:
                del changed[at : at + chance.randint(1, 64)]
            case 6:
                changed[at:at] = changed[at : at + chance.randint(1, 256)] * chance.randint(1, 4)
            case 7:
                begin = chance.randrange(len(other))
                changed[at : at + 64] = other[begin : begin + chance.randint(1, 256)]
    return bytes(changed)
