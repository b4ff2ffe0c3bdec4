"""A list of MAPI properties as TNEF carries it (MS-OXTNEF 2.1.3.4): those that are asked for, by number."""

from __future__ import annotations

_FIXED = {
    2: 4,
    3: 4,
    4: 4,
    5: 8,
    6: 8,
    7: 8,
    0x0A: 4,
    0x0B: 4,
    0x14: 8,
    0x40: 8,
    0x48: 16,
}  # octets by type, padded to 4
_TEXT8, _TEXT16, _OBJECT, _BINARY = 0x1E, 0x1F, 0x0D, 0x102
_MANY = 0x1000  # flag of a type: several values
_NAMED = 0x8000  # numbers from here on are followed by their name


def properties(data: bytes, wanted: tuple[int, ...]) -> dict[int, bytes | str]:
    """The first value of each wanted property: text where it is Unicode, else octets; what is cut or unknown ends the list."""
    found: dict[int, bytes | str] = {}
    at = 4
    for _ in range(int.from_bytes(data[:4], "little")):
        if at + 4 > len(data):
            break
        kind, number = (int.from_bytes(data[at + n : at + n + 2], "little") for n in (0, 2))
        at += 4
        if number >= _NAMED:
            by_name = int.from_bytes(data[at + 16 : at + 20], "little") == 1
            size = int.from_bytes(data[at + 20 : at + 24], "little") if by_name else 0
            at += 24 + _padded(size)
        plain = kind & ~_MANY
        if plain in _FIXED:
            at += _FIXED[plain] * _count(data, at) + 4 if kind & _MANY else _FIXED[plain]
            continue
        if plain not in (_TEXT8, _TEXT16, _OBJECT, _BINARY):
            break
        count = int.from_bytes(data[at : at + 4], "little")
        at += 4
        for n in range(count):
            if at + 4 > len(data):
                break
            size = int.from_bytes(data[at : at + 4], "little")
            if n == 0 and number in wanted:
                value = data[at + 4 : at + 4 + size]
                found.setdefault(
                    number, value.decode("utf-16-le", "replace").rstrip("\0") if plain == _TEXT16 else value
                )
            at += 4 + _padded(size)
    return found


def _count(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _padded(size: int) -> int:
    """A size with the padding to four octets."""
    return (size + 3) & ~3
