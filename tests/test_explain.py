"""Explanations: every octet named exactly once, true words for anything, no exception but for a caller's mistake."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import smtplab
from smtplab import explain
from smtplab.explain import fields_of
from smtplab.explain.keywords import KEYWORDS, PARAMETERS, PHASES
from smtplab.explain.verbs import VERBS
from smtplab.schema import PHASE
from smtplab.smtp import extensions, verbs

WORDS = [b"MAIL FROM:<", b"RCPT TO:", b"<", b">", b"@", b" ", b"\r\n", b"\n", b"\r", b"250-", b"250 ", b"5.1.1", b"AUTH",
         b"PLAIN", b"=", b"BDAT 3 LAST\r\n", b".", b'"', b"\\", b":", b"\xff", b"a", b"EHLO", b"334 ", b"PROXY"]  # fmt: skip
octets = st.binary(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=14).map(b"".join)


@given(octets, st.booleans(), st.sampled_from([None, *verbs.VERBS]))
def test_fields_cover_any_octets_exactly(line: bytes, server: bool, verb: str | None) -> None:
    at = 0
    for one in fields_of(line, server=server, verb=verb):
        assert one.start == at < one.end
        assert one.name
        assert one.meaning
        assert one.why
        assert one.reference
        at = one.end
    assert at == len(line)


@pytest.mark.parametrize("verb", verbs.VERBS)
@pytest.mark.parametrize("line", [b"\0", b"\r\n", b"A b=c <d>\r\n"])
def test_a_line_of_every_verb_has_fields(verb: str, line: bytes) -> None:
    assert fields_of(line, server=False, verb=verb)[-1].end == len(line)


@pytest.mark.parametrize(
    ("line", "server", "names"),
    [
        (b"EHLO [192.0.2.1]\r\n", False, ["verb", "blank", "address literal", "line end"]),
        (b"AUTH PLAIN ****\n", False, ["verb", "blank", "mechanism", "blank", "initial response", "bare LF"]),
        (b"QUIT now\r\n", False, ["verb", "blank", "argument not allowed", "line end"]),
        (b"250-SIZE 3\r\n", True, ["reply code", "more lines follow", "text", "line end"]),
        (b"hello\r\n", True, ["no reply code", "line end"]),
    ],
)
def test_names_of_fields(line: bytes, server: bool, names: list[str]) -> None:
    assert [one.name for one in fields_of(line, server=server)] == names


def test_every_word_that_is_known_is_explained() -> None:
    for word in [*VERBS, *KEYWORDS, *PARAMETERS, *PHASES, *extensions.MAIL, *extensions.RCPT]:
        told = explain(word)
        assert told.plain
        assert told.reference, word
        assert "No verb" not in told.plain, word
    assert set(PHASES) == set(PHASE)
    assert set(verbs.VERBS) - set(VERBS) == {verbs.UNKNOWN, verbs.GREETING}
    assert set(extensions.MAIL) | set(extensions.RCPT) == set(PARAMETERS)


@pytest.mark.parametrize("code", range(100, 600))
def test_any_code_is_explained(code: int) -> None:
    assert explain(code).title == explain(str(code)).title
    assert str(code) in explain(code).title


@given(st.text(min_size=1, max_size=50).filter(str.strip) | st.binary(min_size=1, max_size=50))
def test_any_line_is_explained_and_no_markup_comes_of_it(what: str | bytes) -> None:
    told = explain(what)
    assert told.plain
    assert repr(told)
    assert "<img" not in told._repr_html_()


def test_hostile_line_stays_text() -> None:
    page = explain("MAIL FROM:<img src=x onerror=alert(1)>\u202e\x1b")._repr_html_()
    assert "<img" not in page
    assert "\u202e" not in page
    assert "\x1b" not in page


@pytest.mark.parametrize("what", [None, True, 99, 600, 3.5, "", "  ", b"", [], object()])
def test_what_is_nothing_to_explain_names_what_is(what: Any) -> None:
    with pytest.raises(ValueError, match="a reply code"):
        explain(what)


def test_unknown_word_is_said_to_be_unknown() -> None:
    assert "known here" in explain("GLORP").plain
    assert "not registered" in explain(599).plain
    assert "not among those registered" in explain("5.9.99").plain


@pytest.mark.parametrize("name", ["one-mail.pcap", "auth-plain.pcap", "bdat.pcap", "lossy.pcap", "one-direction.pcap"])
def test_rows_of_frames(name: str) -> None:
    cap = smtplab.open(f"captures/{name}")
    for frame in (cap.commands, cap.replies):
        for n in range(len(frame)):
            assert explain(frame.iloc[n]).plain
