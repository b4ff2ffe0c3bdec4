"""Words that stand for other words: as long as they are, of the same shape, the same for the same word, and never the word itself.

A word is a run of letters and digits. Its letters become letters (capitals stay capitals), its digits digits; what stands between
words is not touched here. The key is made for one call and forgotten: nobody can turn a word back, or make it again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Set

CONSONANTS, VOWELS, DIGITS = b"bcdfghjklmnprstvwz", b"aeiou", b"0123456789"
ALNUM = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
ANY = bytes(ALNUM[n % len(ALNUM)] for n in range(256))  # an octet to a letter or digit
REMEMBERED = 100_000  # words that are kept apart from each other; beyond it two words may become one
TRIES = 256
SHORT = 24  # octets; a longer word is no word of a language, and is not remembered

QUAD = rb"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])"
WIDE = rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
TOKEN = re.compile(rb"(?P<quad>" + QUAD + rb")|(?P<word>[A-Za-z0-9]+)|(?P<wide>" + WIDE + rb")|[\x80-\xff]")


class Words:
    """The words of one call; `forbidden` (lower case) are those that no word may become."""

    def __init__(self, key: bytes, forbidden: Set[bytes]) -> None:
        self._key, self._forbidden = key, forbidden
        self._made: dict[bytes, bytes] = {}
        self._used: set[bytes] = set()

    def text(self, octets: bytes, keep: Callable[[bytes], bool] | None = None) -> bytes:
        """The octets with every word replaced but those (lower case) that `keep` lets stand."""

        def instead(match: re.Match[bytes]) -> bytes:
            found = match[0]
            if match.lastgroup == "word":
                return found if keep is not None and keep(found.lower()) else self.word(found)
            if match.lastgroup == "quad":
                return self._quad(found)
            return self._wide(found)

        return TOKEN.sub(instead, octets)

    def word(self, word: bytes) -> bytes:
        """What stands for a word of ASCII letters and digits."""
        lower = word.lower()
        made = self._made.get(lower)
        if made is None:
            made = self._new(lower)
            if len(lower) <= SHORT and len(self._made) < REMEMBERED:
                self._made[lower] = made
                self._used.add(made)
        if word == lower:
            return made
        return bytes(new - 32 if 65 <= old <= 90 else new for old, new in zip(word, made, strict=True))

    def solid(self, octets: bytes) -> bytes:
        """Letters and digits in place of octets of any kind: for what is encoded, of which even the shape would tell something."""
        return self._chance(b"solid", octets, len(octets)).translate(ANY)

    def _new(self, lower: bytes) -> bytes:
        for attempt in range(TRIES):
            drawn = self._chance(b"word%d" % attempt, lower, len(lower) + 1)
            out, vowel = bytearray(), drawn[-1] & 1
            for old, number in zip(lower, drawn, strict=False):
                if 48 <= old <= 57:
                    out.append(DIGITS[number % 10])
                else:
                    letters = VOWELS if vowel else CONSONANTS
                    out.append(letters[number % len(letters)])
                    vowel ^= 1
            made = bytes(out)
            free = made not in self._used or attempt > TRIES // 2 or len(lower) > SHORT
            if made != lower and made not in self._forbidden and free:
                return made
        return b"x" * len(lower)

    def _quad(self, quad: bytes) -> bytes:
        """An IPv4 address in text as another one: numbers with as many digits, none above 199."""
        parts = quad.split(b".")
        for attempt in range(TRIES):
            drawn = self._chance(b"quad%d" % attempt, quad, 3 * len(parts))
            made = []
            for n, part in enumerate(parts):
                digits = [
                    1 if len(part) == 3 else 1 + drawn[3 * n] % 9,
                    *(d % 10 for d in drawn[3 * n + 1 : 3 * n + 3]),
                ]
                made.append(b"".join(b"%d" % digit for digit in digits[: len(part)]))
            out = b".".join(made)
            if out != quad and out not in self._forbidden:
                return out
        return b"0" * len(quad)

    def _wide(self, character: bytes) -> bytes:
        """A character beyond ASCII as another one of as many octets; octets that are no UTF-8 stay none."""
        if len(character) == 1:
            return bytes([0xF8 | self._chance(b"octet", character, 1)[0] & 7])
        for attempt in range(TRIES):
            drawn = self._chance(b"wide%d" % attempt, character, 1)[0]
            last = 0x80 | drawn & 0x3F
            made = {
                2: bytes([0xC3, 0xA0 | drawn & 0x0F]),  # à to ï
                3: bytes([0xE4, 0xB8, last]),  # 64 CJK ideographs from U+4E00
                4: bytes([0xF0, 0x9D, 0x90, last]),  # 64 mathematical letters from U+1D400
            }[len(character)]
            if made != character:
                return made
        return b"?" * len(character)

    def _chance(self, purpose: bytes, octets: bytes, size: int) -> bytes:
        """`size` octets that depend on the key, the purpose and the octets."""
        return hashlib.shake_128(b"%d %s " % (len(purpose), purpose) + self._key + octets).digest(size)
