"""Who a replayed mail is for: names under example.test, unless the caller keeps the recorded ones."""

from __future__ import annotations

import re

from smtplab.smtp.paths import path as path_of

DOMAIN = "example.test"  # RFC 2606 2: `.test` is nobody's
_SAFE = re.compile(rb"[^A-Za-z0-9._+-]+")
_LONGEST = 56  # octets of a local part, leaving room for a number: RFC 5321 4.5.3.1.1 has 64
_NAMES = re.compile(rb"(?i)[\s\0]*(RCPT|VRFY|EXPN)(?:[\s\0]+|(?=[:<]))")
_ORCPT = re.compile(rb"(?i)(?<=[ \t]ORCPT=)[^ \t]+")


class Recipients:
    """Recorded recipients and who stands for each; the same for all sessions of one replay, and different for different ones."""

    def __init__(self, *, keep: bool = False) -> None:
        self.keep = keep
        self.map: dict[bytes, bytes] = {}
        self._taken: set[bytes] = set()

    def of(self, forward_path: bytes) -> bytes:
        """The path that stands for a recorded one, both without brackets.

        >>> others = Recipients()
        >>> others.of(b"ann@example.org"), others.of(b"ann@mx.example.org"), others.of(b"ann@example.org")
        (b'ann@example.test', b'ann-2@example.test', b'ann@example.test')
        """
        if self.keep:
            return forward_path
        if forward_path not in self.map:
            local = forward_path.rpartition(b"@")[0] or forward_path
            name = _SAFE.sub(b"-", local.rpartition(b":")[2]).strip(b".-")[:_LONGEST].replace(b"..", b".").strip(b".")
            name = name or b"recipient"
            one, number = name, 1
            while one.lower() in self._taken:
                number += 1
                one = name + b"-%d" % number
            self._taken.add(one.lower())
            self.map[forward_path] = one + b"@" + DOMAIN.encode()
        return self.map[forward_path]

    def line(self, line: bytes) -> bytes:
        """A command line with its recipient replaced: that of RCPT with its ORCPT, and who VRFY and EXPN ask for.

        >>> Recipients().line(b"RCPT TO:<ann@example.org> NOTIFY=NEVER")
        b'RCPT TO:<ann@example.test> NOTIFY=NEVER'
        """
        if self.keep:
            return line
        return b"\r".join(map(self._named, line.split(b"\r")))  # to some servers a CR ends a line

    def _named(self, line: bytes) -> bytes:
        found = _NAMES.match(line)  # servers are generous with blanks, and what a recording calls the verb may be wrong
        if found is None:
            return line
        head, argument = found[1], line[found.end() :]
        if head.upper() != b"RCPT":
            return head + b" " + (self.of(argument.strip(b"<> \t")) if b"@" in argument else argument)
        path, rest = path_of(argument)
        parameters = argument[rest:]
        original = _ORCPT.search(b" " + parameters)
        made = head + b" TO:<" + self.of(path) + b">" + (b" " + parameters if parameters else b"")
        if original is not None:
            made = _ORCPT.sub(b"rfc822;" + self.of(path), made)
        return made
