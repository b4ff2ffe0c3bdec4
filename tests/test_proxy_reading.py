"""What the proxy knows of a conversation: the same however it is cut, and right where content looks like commands."""

from __future__ import annotations

import pytest

from smtplab.live.proxy_line import Line
from smtplab.live.proxy_reading import LONGEST, Reading

# Who says what, in turns: (from_client, octets).
Talk = list[tuple[bool, bytes]]
START: Talk = [(False, b"220-a\r\n220 b\r\n"), (True, b"EHLO x\r\n"), (False, b"250-mx\r\n250 STARTTLS\r\n")]
MAIL: Talk = [
    (True, b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
    (False, b"250 ok\r\n250 ok\r\n354 go\r\n"),
    (True, b"STARTTLS\r\n..\r\n.x\r\n\n.\n\r\n.\r\nNOOP\r\n"),
    (False, b"250 queued\r\n250 ok\r\n"),
]


def read(talk: Talk, size: int, *, by_line: bool) -> tuple[list[tuple[bool, bytes, str, bool]], Reading]:
    """Every piece, cut so that each piece of the talk comes in pieces of `size` octets."""
    reading, seen = Reading(by_line=by_line), []
    for from_client, octets in talk:
        for at in range(0, len(octets), size):
            part = octets[at : at + size]
            for piece, verb, content in reading.client(part) if from_client else reading.server(part):
                if from_client and not content:
                    reading.command(piece)
                seen.append((from_client, piece, verb, content))
            if not from_client:
                for piece, verb, content in reading.client(b""):
                    if not content:
                        reading.command(piece)
                    seen.append((True, piece, verb, content))
    return seen, reading


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("by_line", [True, False])
def test_content_is_no_command_and_nothing_is_lost(size: int, by_line: bool) -> None:
    talk = START + MAIL
    seen, reading = read(talk, size, by_line=by_line)
    for side in (True, False):
        assert b"".join(piece for who, piece, _, _ in seen if who is side) == b"".join(
            octets for who, octets in talk if who is side
        )
    assert [verb for who, _, verb, content in seen if who and not content] == ["EHLO", "MAIL", "RCPT", "DATA", "NOOP"]
    assert [verb for who, _, verb, _ in seen if not who] == [
        "",
        "",
        "EHLO",
        "EHLO",
        "MAIL",
        "RCPT",
        "DATA",
        "DATA-END",
        "NOOP",
    ]
    assert not reading.starts_tls
    if by_line:
        assert [verb for _, _, verb, content in seen if content][-1] == "DATA-END"


@pytest.mark.parametrize("size", [1, 1000])
def test_starttls_counts_only_where_it_was_accepted(size: int) -> None:
    for reply, begins in (b"454 no\r\n", False), (b"220-yes\r\n220 go\r\n", True):
        _, reading = read([*START, (True, b"STARTTLS\r\n"), (False, reply)], size, by_line=False)
        assert reading.starts_tls is begins


def test_logins_chunks_lmtp_and_prdr_keep_the_count() -> None:
    talk: Talk = [
        (False, b"220 a\r\n"),
        (True, b"LHLO x\r\nAUTH LOGIN\r\n"),
        (False, b"250 x\r\n334 VXNlcm5hbWU6\r\n"),
        (True, b"DATA\r\n"),  # somebody's name in base64, as it happens
        (False, b"334 UGFzc3dvcmQ6\r\n"),
        (True, b"QUIT\r\n"),
        (False, b"235 ok\r\n"),
        (
            True,
            b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 12\r\nSTARTTLS\r\n.\nBDAT 3 LAST\r\na\r\nSTARTTLS\r\n",
        ),
        (False, b"250 1\r\n250 2\r\n250 3\r\n250 chunk\r\n250 for a\r\n250 for c\r\n220 tls\r\n"),
    ]
    seen, reading = read(talk, 1000, by_line=True)
    assert reading.starts_tls
    assert [verb for who, _, verb, _ in seen if not who][-4:] == ["BDAT", "DATA-END", "DATA-END", "STARTTLS"]
    talk = [
        (False, b"220 a\r\n"),
        (True, b"MAIL FROM:<> PRDR\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
        (False, b"250 1\r\n250 2\r\n250 3\r\n354 go\r\n"),
        (True, b"x\r\n.\r\nSTARTTLS\r\n"),
        (False, b"353 see\r\n250 a\r\n550 c\r\n250 all\r\n220 tls\r\n"),
    ]
    seen, reading = read(talk, 1000, by_line=True)
    assert reading.starts_tls


def test_lines_without_end_are_bounded() -> None:
    reading = Reading(by_line=True)
    kept = 0
    for _ in range(40):
        kept += sum(len(piece) for piece, _, _ in reading.client(b"x" * 10_000))
    assert 400_000 - kept < LONGEST
    for _ in range(40):
        list(reading.server(b"y" * 10_000))
    assert len(reading.rest(of_client=False)) < LONGEST


def test_a_line_says_what_it_is_and_what_is_wrong_with_it() -> None:
    line = Line(b"caf\xe9\n", from_client=True)
    line.text += "!"
    assert line.settled() == (b"caf\xe9!\n", 0, b"")
    line.drop()
    assert line.settled() == (b"", 0, b"")
    assert Line(b"a", from_client=True, reply="250-a\n250 b").settled() == (b"", 0, b"250-a\r\n250 b\r\n")
    for wrong in ({"delay": -1}, {"delay": float("nan")}):
        with pytest.raises(ValueError):
            Line(b"", from_client=True, **wrong).settled()
    with pytest.raises(TypeError):
        Line("text", from_client=True).settled()  # type: ignore[arg-type]
