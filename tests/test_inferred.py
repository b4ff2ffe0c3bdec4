"""What is inferred from records without keys, beside what was said: the same session with its keys is the judge."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from sealing import Ways, sealed
from speaking import CAPTURES, ENVELOPE, GO, HELLO, KEYED, MAIL, QUIT, RCPT, shipped

import smtplab
from smtplab.frames.session import Session

OPEN = (*HELLO, "C: STARTTLS", "S: 220 go", "TLS", *HELLO[1:])
MAILED = (*ENVELOPE, *GO, "C: Subject: s||" + "|".join(["hello"] * 40) + "|.", "S: 250 ok")
LOGIN = ("C: AUTH LOGIN", "S: 334 VXNlcm5hbWU6", "C: cGF0", "S: 334 UGFzc3dvcmQ6", "C: aGVsbG8=", "S: 235 ok")
PLAIN = ("C: AUTH PLAIN AHBhdABoZWxsbw==", "S: 235 2.7.0 ok")
GROUP = ("C: MAIL FROM:<a@x.test>", "C: RCPT TO:<b@y.test>", "C: DATA", "S: 250 ok", "S: 250 ok", "S: 354 go")
SUITES = {
    "1.3": Ways("1.3"),
    "1.2 GCM": Ways("1.2", "ECDHE-RSA-AES128-GCM-SHA256"),
    "1.2 ChaCha20": Ways("1.2", "ECDHE-RSA-CHACHA20-POLY1305"),
    "1.2 CBC": Ways("1.2", "AES128-SHA"),
}
EXACT = [name for name in SUITES if "CBC" not in name]


def beside(closed: Session, session: Session) -> list[tuple[str, set[str]]]:
    """Of each turn of the client, the phase inferred without keys, and the phases that its commands have."""
    commands, before = session.commands, -1
    found = []
    likely = closed.inferred()
    columns = (likely.loc[likely["from_client"], name].to_list() for name in ("frame", "phase", "least", "most"))
    for frame, phase, least, most in zip(*columns, strict=True):
        said = commands[(commands["frame"] > before) & (commands["frame"] <= frame)]
        phases = set(said["phase"].astype(str).replace("end-of-data", "content"))
        content = int(said.loc[said["verb"].isin(["DATA-END", "BDAT"]), "size"].sum())
        if content and phase == "content":
            assert least <= content <= most
        found.append((str(phase), phases))
        before = frame
    return found


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize(
    ("turns", "phases"),
    [
        ((*MAILED, *QUIT), "hello mail rcpt data content quit"),
        (
            (*MAILED, *MAIL, *RCPT, *RCPT, *GO, "C: x|.", "S: 250 ok", *QUIT),
            "hello mail rcpt data content mail rcpt rcpt data content quit",
        ),
        ((*PLAIN, *MAILED, *QUIT), "hello auth mail rcpt data content quit"),
        (("C: NOOP", "S: 250 ok", *MAILED, "C: RSET", "S: 250 ok", *QUIT), "hello reset mail rcpt data content reset quit"),
        ((*GROUP, "C: x|.", "S: 250 ok", *QUIT), "hello data content quit"),
        ((*ENVELOPE, "C: DATA", "S: 554 no", *QUIT), "hello mail rcpt data quit"),
        ((*ENVELOPE, "C> BDAT 800 LAST\r\n" + 80 * "12345678\r\n", "S: 250 ok", *QUIT), "hello mail rcpt content quit"),
    ],
    ids=["one mail", "two mails", "plain", "noop, rset", "pipelined", "refused", "chunk"],
)  # fmt: skip
@pytest.mark.slow
def test_phases_are_told_by_sizes_and_turns(suite: str, turns: tuple[str, ...], phases: str, tmp_path: Path) -> None:
    judged(SUITES[suite], turns, phases, tmp_path)


@pytest.mark.parametrize("suite", EXACT)
def test_a_login_is_told_by_its_challenges_where_lengths_are_exact(suite: str, tmp_path: Path) -> None:
    judged(SUITES[suite], (*LOGIN, *MAILED, *QUIT), "hello auth auth auth mail rcpt data content quit", tmp_path)


def judged(ways: Ways, turns: tuple[str, ...], phases: str, tmp_path: Path) -> None:
    """Without keys these phases are inferred, the same as with keys, and the commands have them."""
    port = 587 if "C: AUTH PLAIN AHBhdABoZWxsbw==" in turns else 25
    one = sealed(*OPEN, *turns, ways=ways, port=port)
    log = tmp_path / "keys"
    log.write_bytes(one.keylog)
    closed, session = (smtplab.open(one.pcap(), keylog=keys).session(0) for keys in (False, log))
    assert closed.inferred().loc[lambda rows: rows["from_client"], "phase"].to_list() == phases.split()
    pd.testing.assert_frame_equal(closed.inferred(), session.inferred())
    for phase, said in beside(closed, session):
        assert phase in said or (phase == "reset" and said == {"other"})


def test_implicit_tls_begins_with_a_greeting(tmp_path: Path) -> None:
    for ways in SUITES.values():
        one = sealed("TLS", *HELLO, *MAILED, *QUIT, ways=ways, port=465)
        likely = smtplab.open(one.pcap(), keylog=False).session(0).inferred()
        assert likely["phase"].to_list()[:3] == ["greeting", "hello", "hello"]
        assert likely["from_client"].to_list()[:3] == [False, True, False]
        assert likely["phase"].to_list()[-2:] == ["quit", "quit"]


def test_it_is_right_about_every_shipped_session_whose_keys_are_at_hand() -> None:
    right = turns = 0
    for path in (*KEYED, *(path for path in CAPTURES if path.suffix == ".pcapng" and path not in KEYED)):
        capture, closed = shipped(path, KEYED.get(path)), shipped(path, False)
        for number in capture.sessions.query("decrypted")["session"]:
            found = beside(closed.session(number), capture.session(number))
            right += sum(phase in said for phase, said in found)
            turns += len(found)
    assert turns > 50
    assert right == turns


def test_where_there_is_nothing_to_infer(captures: Path) -> None:
    assert shipped(captures / "one-mail.pcap").session(0).inferred().empty
    cut = sealed(*OPEN[:5]).said
    cut.client(b"\x16\x03\x01\x00\x05\x01\0\0\1\3").server(b"\x16\x03\x03\x00\x02\x02\0").client(b"\x17\x03\x03\0\3abc")
    assert smtplab.open(cut.pcap(), keylog=False).session(0).inferred()["most"].sum() < 10


def test_reasons_are_shown_whole(captures: Path) -> None:
    session = smtplab.open(captures / "starttls-auth-embedded-keys.pcapng", keylog=False).session(0)
    likely = session.inferred()
    assert (likely["why"].str.len() < 50).all(), "pandas shows the beginning of longer ones"
    assert "..." not in repr(likely["why"])
