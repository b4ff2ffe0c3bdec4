"""What AUTH sends stays hidden: in every frame, view and stream, unless the user asks for it."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
from builders import ACK, START, Conversation, pcap
from speaking import APART, EACH_SMALL, ENVELOPE, GO, HELLO, MAIL, QUIT, quietly, shipped, talk

import smtplab
from smtplab import Capture, schema
from smtplab.dialogue import state as st
from smtplab.findings.row import wire_of
from smtplab.frames import passed_over
from smtplab.frames.places import places

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
    "behind a bare CR": ((f"C> NOOP\rAUTH PLAIN {PLAIN}\r\n", "S: 250 ok", *QUIT), (PLAIN,)),
    "behind a NUL": ((f"C> \0AUTH PLAIN {PLAIN}\r\n", "S: 535 no", *QUIT), (PLAIN,)),
    "between bare CRs": ((f"C> EHLO x\rAUTH PLAIN {PLAIN}\rQUIT\r\n", "S: 500 no", *QUIT), (PLAIN,)),
    "in quotes, answered as AUTH is": ((f'C: "AUTH PLAIN {PLAIN}"', "S: 535 no", *QUIT), (PLAIN,)),
    "in clear, LOGIN refused": (
        ("C: AUTH LOGIN", "S: 503 no", "C: pat|open sesame!", "S: 500 no|500 no", *QUIT),
        ("open sesame",),
    ),
    "in clear, a name refused": (
        ("C: AUTH LOGIN", "S: 334 VXNlcm5hbWU6", "C: p@t!", "S: 501 no", "C: open sesame!", "S: 500 no", *QUIT),
        ("p@t!", "open sesame"),
    ),
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


def test_the_rest_of_an_auth_line_with_which_a_capture_begins() -> None:
    capture = quietly(talk(f"C: TH PLAIN {PLAIN}", "S: 235 ok", *MAIL).pcap())
    assert PLAIN not in everything(capture)
    assert capture.commands.line[0] == "*" * len(f"TH PLAIN {PLAIN}")


def test_what_a_proxy_on_the_way_is_told() -> None:
    basic = b64encode(b"pat:opensesame").decode()
    said = talk(f"C: CONNECT mx:25 HTTP/1.1|Proxy-Authorization: Basic {basic}|", "S: HTTP/1.1 200 ok|", *HELLO, *QUIT)
    capture = smtplab.open(said.pcap())
    assert basic not in everything(capture)
    assert capture.commands.line[1] == "Proxy-Authorization: Basic " + "*" * len(basic)


def test_lines_that_are_no_secrets_stay() -> None:
    """Two lines without a verb behind a refused AUTH may be a name and a password; no others are taken for such."""
    words = ["MIAL FROM:<a@x.test>", "what is this", "or this"]
    turns = [turn for word in words for turn in (f"C: {word}", "S: 500 what")]
    assert told(*turns).commands.line.to_list()[1:] == words
    assert told(f"C: AUTH PLAIN {PLAIN}", "S: 235 ok", *turns).commands.line.to_list()[2:] == words
    refused = told(f"C: AUTH PLAIN {PLAIN}", "S: 535 no", "C: NOOP", "S: 250 ok", *turns).commands.line.to_list()
    assert refused[2:] == ["NOOP", *words]
    behind = told("C: AUTH PLAIN", "S: 503 no", *turns).commands.line.to_list()
    assert behind[2:] == ["*" * len(words[0]), "*" * len(words[1]), words[2]]
    hidden = told(f"C> NOOP x\rAUTH PLAIN {PLAIN}\r\n", "S: 250 ok").findings
    assert set(hidden.rule) >= {"credentials-out-of-place"}
    assert told("C> NOOP a\rb\0author\r\n", "S: 250 ok").commands.line[1].startswith("NOOP a\\x0db\\x00auth")


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


def without(said: Conversation, *lost: int) -> Capture:
    """What smtplab makes of a conversation of which these packets were not captured."""
    return quietly(pcap([record for n, record in enumerate(said.records) if n not in lost]))


@pytest.mark.slow
def test_whichever_packet_of_a_login_is_lost_its_password_names_nobody() -> None:
    for prompts in (("VXNlcm5hbWU6", "UGFzc3dvcmQ6"), ("Benutzer", "Kennwort")):
        said = talk(
            *HELLO, "C: AUTH LOGIN", f"S: 334 {prompts[0]}", f"C: {USER}", f"S: 334 {prompts[1]}", f"C: {PASSWORD}", *ENDS
        )  # fmt: skip
        mine = [record for record in said.records if record[1][34:36] == (40000).to_bytes(2, "big")]
        for n in range(3, len(said.records)):
            capture = without(said, n)
            assert {*capture.sessions.auth_identity.dropna()} <= {"pat"}
            shown = everything(capture)
            assert "opensesame" not in shown
            assert PASSWORD not in shown
        for n in range(1, len(mine)):
            assert PASSWORD not in everything(quietly(pcap(mine[:n] + mine[n + 1 :])))
    lost = next(n for n, (_, octets) in enumerate(said.records) if USER.encode() in octets)
    assert without(said, lost).sessions.auth_identity.isna().all()
    assert without(said, lost + 2).sessions.auth_identity.to_list() == ["pat"]


@pytest.mark.parametrize("secrets", [False, True])
@pytest.mark.parametrize(
    ("begins", "missing", "goes_on"),
    [
        ("", 9, PLAIN),
        ("AU", 2, f" PLAIN {PLAIN}"),
        ("", 2, f"TH PLAIN {PLAIN}"),
        ("", 50, f"x\r\nAUTH PLAIN {PLAIN}"),
        ("", 20, PASSWORD),
    ],
)
@pytest.mark.parametrize("code", [None, 235, 500])
@pytest.mark.slow
def test_lines_that_were_passed_over_behind_lost_octets(
    begins: str, missing: int, goes_on: str, code: int | None, secrets: bool
) -> None:
    said = talk(*HELLO, *([f"C> {begins}"] if begins else []))
    said.next_client += missing
    said.client(f"{goes_on}\r\n".encode())
    secret = goes_on.split()[-1]
    if code is not None:
        said.server(f"{code} what is {secret}\r\n".encode()).client(b"QUIT\r\n").server(b"221 bye\r\n")
    capture = quietly(said.pcap(), secrets=secrets)
    for gaps in (b"", b"?", b"ab"):
        assert (secret.encode() in capture.session(0).stream("client", gaps=gaps)) == secrets
    if not secrets:
        assert secret not in everything(capture)


def test_text_that_was_passed_over_stays() -> None:
    """The mail whose DATA was lost: its words are no secrets, only what looks like a response."""
    said = talk(*HELLO, *ENVELOPE)
    said.next_client += 6
    said.client(b"Subject: a word\r\n\r\nDear Sam,\r\nall is well.\r\nAHBhdA==\r\n.\r\n").server(b"250 ok\r\n")
    stream = quietly(said.pcap()).session(0).stream("client", gaps=b"")
    assert stream.endswith(b"***************\r\n\r\nDear Sam,\r\nall is well.\r\n********\r\n.\r\n")


@pytest.mark.parametrize("path", EACH_SMALL)
def test_what_is_no_row_is_passed_over_behind_lost_octets_only(path: Path) -> None:
    reading = wire_of(shipped(path)).lines
    complete = [session for session in range(reading.sessions) if not reading.state[session, st.HAD_GAP]]
    for session in complete:
        begun = wire_of(shipped(path)).tls_begun[session].tolist()
        found = places(reading, session, (begun[0], begun[1]))
        if reading.state[session, st.SWAPPED] or len(reading.open_content):
            continue
        size = begun[0] if begun[0] >= 0 else len(reading.stream(2 * session, gaps=b"?"))
        assert sum(place.end - place.start for place in found.commands if not place.server) == size


def test_lost_octets_of_a_server_whose_client_was_not_captured() -> None:
    whole = talk(*HELLO, *QUIT, client=50000, time=START + APART).records
    said = talk(*HELLO, "C: NOOP", "S: 250 ok", "C: NOOP", "S: 250 ok").records
    mine = [record for record in said if record[1][34:36] == (25).to_bytes(2, "big")]
    capture = quietly(pcap([*mine[:2], mine[-1], *whole]))
    assert capture.commands.verb.to_list() == ["EHLO", "QUIT"]
    assert capture.replies.session.to_list().count(0) == 2


TURNS = (
    *HELLO, *LOGIN, "S: 235 ok", *ENVELOPE, *GO, "C> Subject: s\r\n\r\nhello\r\n", "C> AHBhdA==\r\nand\r\n.\r\n", "S: 250 ok",
    *ENVELOPE, "C> BDAT 5 LAST\r\nhel", "C> lo", "S: 250 ok", *QUIT,
)  # fmt: skip


def test_where_octets_are_in_no_row_they_are_looked_at() -> None:
    """Two packets lost, each two; `left` counts octets, and `places` says where each row is."""
    size, counted = len(talk(*TURNS).records), set()
    records = []
    for n, pair in enumerate((a, b) for a in range(size) for b in range(a)):
        said = talk(*TURNS, client=10000 + n, time=START + n * APART).records
        records += [record for at, record in enumerate(said) if at not in pair]
    capture = quietly(pcap(records))
    lines, begun = wire_of(capture).lines, wire_of(capture).tls_begun
    assert lines.sessions == size * (size - 1) // 2
    for session, looked_at in enumerate(passed_over.left(lines, begun).tolist()):
        octets = bytearray(lines.stream(2 * session, gaps=b"\0"))
        for place in places(lines, session, (-1, -1)).commands:
            octets[place.start : place.end] = bytes(place.end - place.start)
        for begin in passed_over.open_content(lines, 2 * session):
            octets[begin:] = b""
        assert looked_at == (octets.strip(b"\0") != b"")
        counted.add(looked_at)
    assert counted == {False, True}


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
