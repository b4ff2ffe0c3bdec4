"""Options of a replay that are none: one line says what is wrong and what is allowed, and no secret, before anything is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from speaking import HELLO, QUIT, talk

import smtplab
from smtplab.cli import main
from smtplab.replay.replaying import replay


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with smtplab.serve() as running:
        yield running


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pace": "slow"}, "pace='slow': allowed are"), ({"pace": -1}, "pace=-1"), ({"jitter": 2}, "jitter=2"),
        ({"tls": "yes"}, "tls='yes'"), ({"timeout": 0}, "timeout=0"), ({"credentials": "pat:x"}, "credentials: allowed"),
        ({"fresh": "subject"}, "fresh='subject'"), ({"reverse_path": "<a>"}, "reverse_path='<a>'"), ({"gaps": "?"}, "gaps="),
        ({"fresh": 5}, "fresh=5: allowed are"), ({"hosts": 5}, "hosts=5: allowed is a map"), ({"hosts": {5: 5}}, "hosts: 5"),
        ({"hosts": {"a": "b\r\nQUIT"}}, "without line ends"), ({"hosts": {"a": "b\\x0aQUIT"}}, "without line ends"),
        ({"hosts": {"": "b"}}, "an empty name"), ({"rewrite": 5}, "rewrite=5: allowed is a function"),
        ({"verify": "/nope"}, "verify: /nope no such file"), ({"verify": 5}, "verify: 5; expected"),
        ({"verify": ""}, "verify: ''; expected"), ({"server_name": 5}, "server_name=5"), ({"seed": []}, "seed=[]"),
        ({"reverse_path": "\ud800"}, "reverse_path="), ({"credentials": {"pat": 5}}, "credentials: allowed"),
        ({"credentials": ("pat", "\ud800")}, "credentials: allowed"),
        ({"colour": 1}, "no option colour"), ({"times": 0}, "times=0"), ({"at_once": 5000}, "at_once=5000"),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_bad_options_are_told_in_a_line(one: smtplab.Session, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        one.replay(to=("127.0.0.1", 1), **options)
    if not {"times", "at_once"} & set(options):
        with pytest.raises(ValueError, match=re.escape(words)):
            one.debug(to=("127.0.0.1", 1), **options)
    with pytest.raises(ValueError, match=r"expected \(host, port\)"):
        one.replay(to=7)
    with pytest.raises(ValueError, match="nothing to replay"):
        replay([], to=("127.0.0.1", 1))


@pytest.mark.parametrize(
    ("rewrite", "words"),
    [
        (lambda verb, line: 1 // 0, "rewrite failed on EHLO: ZeroDivisionError: integer"),
        (lambda verb, line: None, "rewrite gave no line for EHLO: allowed is a text of one line"),
        (lambda verb, line: line + "\r\nQUIT", "rewrite gave 'EHLO desk.example.test\\r\\nQUIT' for EHLO"),
    ],
)
def test_a_rewrite_that_fails_is_told_in_a_line(one: smtplab.Session, server: Any, rewrite: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        one.replay(to=server, rewrite=rewrite)
    with one.debug(to=server, rewrite=rewrite) as d:
        assert words[:50] in repr(d)
        for _ in range(2):  # nothing is lost by it
            with pytest.raises(ValueError, match=re.escape(words)):
                d.step()
        d.skip()


def test_a_rewrite_that_fails_tells_no_secret(server: Any) -> None:
    sent = "AHBhdABvcGVuc2VzYW1lNzc="
    session = smtplab.open(talk(*HELLO, f"C: AUTH=PLAIN {sent}", "S: 500 no", *QUIT).pcap(), secrets=True).session(0)

    def fails(verb: str, line: str) -> str:
        return str(int(line.split()[-1])) if "PLAIN" in line else line

    with pytest.raises(ValueError, match=r"rewrite failed on \?: ValueError$") as told:
        session.replay(to=server, rewrite=fails)
    assert told.value.__cause__ is None
    with pytest.raises(ValueError, match="rewrite gave no line") as told:
        session.replay(to=server, rewrite=lambda verb, line: line + "\n" if "PLAIN" in line else line)


@pytest.mark.parametrize("verify", ["nope", "folder", "text.txt"])
def test_a_file_of_no_certificates_is_a_line_in_the_terminal(
    captures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], verify: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.txt").write_text("no PEM")
    with smtplab.serve(tls="starttls") as tls_server:
        where = f"127.0.0.1:{tls_server.address[1]}"
        words = ["replay", str(captures / "starttls.pcapng"), "0", "--to", where, "--verify", str(tmp_path / verify)]
        assert main(words) != 0
    told = capsys.readouterr().err.splitlines()
    assert sum("verify" in line for line in told) == 1
    assert "_ssl.c" not in told[0]
    assert not any("Traceback" in line for line in told)
