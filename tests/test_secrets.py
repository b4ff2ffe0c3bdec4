"""What AUTH sends stays hidden: in every frame, view and stream, unless the user asks for it."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
from builders import ACK, pcap
from speaking import HELLO, QUIT, quietly, talk

import smtplab
from smtplab import Capture, schema

PLAIN = b64encode(b"\0pat\0opensesame").decode()
USER, PASSWORD = b64encode(b"pat").decode(), b64encode(b"opensesame").decode()
LOGIN = ("C: AUTH LOGIN", "S: 334 VXNlcm5hbWU6", f"C: {USER}", "S: 334 UGFzc3dvcmQ6", f"C: {PASSWORD}")
ENDS = ("S: 235 2.7.0 welcome", *QUIT)


def everything(capture: Capture) -> str:
    """All that a capture shows."""
    frames = [capture.frame(name).to_csv() for name in schema.FRAMES]
    views = []
    for session in capture:
        views += [repr(session), str(session.transcript()), session.transcript()._repr_html_()]
        views += [session.stream(side, gaps=b"?").decode("latin-1") for side in ("client", "server")]
        views += [session.ladder().svg()]
    return "\n".join([repr(capture), *frames, *views])


def told(*turns: str, secrets: bool = False) -> Capture:
    return smtplab.open(talk(*HELLO, *turns).pcap(), secrets=secrets)


CASES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # what is said; what must not be seen
    "PLAIN at once": ((f"C: AUTH PLAIN {PLAIN}", *ENDS), (PLAIN, "opensesame")),
    "PLAIN in lower case": ((f"C: auth plain {PLAIN}", *ENDS), (PLAIN,)),
    "PLAIN asked for": (("C: AUTH PLAIN", "S: 334 ", f"C: {PLAIN}", *ENDS), (PLAIN,)),
    "LOGIN": ((*LOGIN, *ENDS), (USER, PASSWORD)),
    "LOGIN with the name at once": (
        (f"C: AUTH LOGIN {USER}", "S: 334 UGFzc3dvcmQ6", f"C: {PASSWORD}", *ENDS),
        (USER, PASSWORD),
    ),
    "refused": ((*LOGIN, "S: 535 no", *QUIT), (USER, PASSWORD)),
    "refused at once": ((f"C: AUTH PLAIN {PLAIN}", "S: 503 not now", *QUIT), (PLAIN,)),
    "never answered": ((f"C: AUTH PLAIN {PLAIN}",), (PLAIN,)),
    "echoed as sent": ((f"C: AUTH PLAIN {PLAIN}", f"S: 535 what is {PLAIN}?", *QUIT), (PLAIN,)),
    "echoed decoded": ((*LOGIN, "S: 535 opensesame is wrong", *QUIT), (PASSWORD, "opensesame")),
    "echoed by a later reply": ((*LOGIN, "S: 535 no", "C: NOOP", "S: 250-opensesame|250 ok", *QUIT), ("opensesame",)),
    "not base64": (("C: AUTH PLAIN pa55word!", "S: 501 no", *QUIT), ("pa55word",)),
    "an octet a packet": (
        ("C: AUTH PLAIN", "S: 334 ", *(f"C> {octet}" for octet in PLAIN), "C> \r\n", *ENDS),
        (PLAIN,),
    ),
    "with tabs": ((f"C: AUTH\tPLAIN\t{PLAIN}", *ENDS), (PLAIN,)),
    "with more blanks": ((f"C: AUTH  PLAIN  {PLAIN}", *ENDS), (PLAIN,)),
    "in two packets": ((f"C> AUTH PLAIN {PLAIN[:5]}", f"C> {PLAIN[5:]}\r\n", *ENDS), (PLAIN, PLAIN[5:])),
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_that_auth_sent_is_shown(case: str) -> None:
    turns, hidden = CASES[case]
    shown = everything(told(*turns))
    for secret in hidden:
        assert secret not in shown


@pytest.mark.parametrize("case", CASES)
def test_secrets_are_shown_to_who_asks(case: str) -> None:
    turns, hidden = CASES[case]
    capture = told(*turns, secrets=True)
    shown = "\n".join([*capture.commands.line, *capture.replies.text])
    assert any(secret in shown for secret in hidden)


def test_a_star_an_octet_and_what_is_never_masked() -> None:
    capture = told(
        *LOGIN, "S: 535 5.7.8 no",
        "C: AUTH PLAIN =", "S: 334 ", "C: *", "S: 501 cancelled",
        f"C: AUTH PLAIN {PLAIN}", "S: 235 ok", *QUIT,
    )  # fmt: skip
    assert capture.commands.argument.to_list()[1:-1] == [
        "LOGIN", "*" * len(USER), "*" * len(PASSWORD), "PLAIN =", "*", "PLAIN " + "*" * len(PLAIN),
    ]  # fmt: skip
    assert capture.commands.line.to_list()[2] == "*" * len(USER)
    assert capture.commands.line.to_list()[-2] == "AUTH PLAIN " + "*" * len(PLAIN)
    assert capture.commands.reply_text.to_list()[1:3] == ["VXNlcm5hbWU6", "UGFzc3dvcmQ6"]
    clear = told(*LOGIN, *ENDS, secrets=True)
    assert capture.commands["size"].to_list()[1:4] == clear.commands["size"].to_list()[1:4]


def test_the_identity_is_clear() -> None:
    row = told(*LOGIN, *ENDS).sessions.iloc[0]
    assert (row.auth_mechanism, row.auth_identity, row.auth_ok) == ("LOGIN", "pat", True)


def test_who_logged_in_stays_logged_in() -> None:
    """After a success every further AUTH is refused with 503 (RFC 4954 4)."""
    row = told(*LOGIN, "S: 235 ok", f"C: AUTH PLAIN {PLAIN}", "S: 503 already", *QUIT).sessions.iloc[0]
    assert (row.auth_mechanism, bool(row.auth_ok)) == ("LOGIN", True)
    row = told(*LOGIN, "S: 535 no", "C: AUTH XYZZY", "S: 504 unknown", *QUIT).sessions.iloc[0]
    assert (row.auth_mechanism, bool(row.auth_ok)) == ("XYZZY", False)


@pytest.mark.parametrize("gaps", [None, b"", b"?", b"ab"])
def test_streams_are_masked_where_octets_are_missing(gaps: bytes | None) -> None:
    said = talk(*HELLO, "C: NOOP " + "x" * 30, "S: 250 ok", f"C: AUTH PLAIN {PLAIN}", *ENDS)
    lost = next(n for n, (_, octets) in enumerate(said.records) if b"NOOP" in octets)
    capture = quietly(pcap(said.records[:lost] + said.records[lost + 1 :]))
    if gaps is None:
        with pytest.raises(smtplab.IncompleteError):
            capture.session(0).stream("client")
        return
    stream = capture.session(0).stream("client", gaps=gaps)
    assert b"AUTH PLAIN " + b"*" * len(PLAIN) + b"\r\nQUIT\r\n" in stream


@pytest.mark.parametrize("asked", [("C> AUTH PLAIN ",), ("C: AUTH PLAIN", "S: 334 ")])
def test_a_secret_cut_by_a_hole_is_masked_on_both_sides(asked: tuple[str, ...]) -> None:
    said = talk(*HELLO, *asked).client(PLAIN[:6].encode())
    said.next_client += 4
    said.client(PLAIN[10:].encode() + b"\r\n").server(b"235 ok\r\n", ACK).client(b"QUIT\r\n").server(
        b"221 bye\r\n"
    ).close()
    shown = everything(quietly(said.pcap()))
    assert PLAIN[:6] not in shown
    assert PLAIN[10:] not in shown


@pytest.mark.parametrize(
    "name", ["auth-plain.pcap", "auth-login.pcap", "auth-wrong.pcap", "auth-plain-empty-initial.pcap"]
)
def test_recorded_logins_show_nothing(name: str, captures: Path) -> None:
    clear = quietly(captures / name, secrets=True).commands
    answers = clear[clear.verb == "AUTH-RESPONSE"].line.to_list()
    initial = clear[clear.verb == "AUTH"].argument.str.split(" ").str[1].dropna().to_list()
    shown = everything(quietly(captures / name))
    assert answers + initial
    for secret in set(answers + initial) - {"*", "="}:
        assert secret not in shown
