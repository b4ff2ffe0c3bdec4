"""The debugger: step by step, breakpoints, changes, back to a point, branches; nothing left behind."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from peers import peer

import smtplab


@pytest.fixture
def server() -> Iterator[Any]:
    with smtplab.serve(faults="rcpt where=bob reply='550 5.1.1 No such user'") as running:
        yield running


@pytest.fixture
def session(captures: Path) -> smtplab.Session:
    return smtplab.open(captures / "one-mail.pcap").session(0)


def test_step_by_step_the_frames_and_the_state_grow(server: Any, session: smtplab.Session) -> None:
    with session.debug(to=server) as d:
        assert (d.place, d.line, d.state) == (0, "EHLO desk.example.test", "greeted")
        seen = []
        while not d.over:
            answers = d.step()
            seen.append((answers[-1].code if answers else None, d.state, len(d.capture.commands)))
    assert seen[:7] == [
        (250, "ready", 1), (250, "mail", 2), (250, "rcpt", 3), (550, "rcpt", 4), (354, "content", 5), (250, "ready", 6),
        (221, "closed", 7),
    ]  # fmt: skip
    assert d.session.row.outcome == "quit"
    assert d.replayed.exchanges.query("differs == 'code'").verb.to_list() == ["RCPT"]


def test_pipelined_commands_go_out_together(server: Any, captures: Path) -> None:
    with smtplab.open(captures / "pipelined.pcap").session(0).debug(to=server) as d:
        d.step()
        d.step(4)
        assert d.answers == []
        assert len(d.capture.commands) == 1
        d.step()
        assert d.answers[0].code == 354
        assert d.capture.commands.pipelined.sum() == 4


def test_breakpoints(server: Any, session: smtplab.Session) -> None:
    with session.debug(to=server) as d:
        d.break_at(verb="data")
        d.break_at(code=5)
        d.break_at(when=lambda one: one.state == "mail")
        assert d.breakpoints == ["before DATA", "after 5xx", "where <lambda> says so"]
        assert d.continue_() == "where <lambda> says so"
        assert d.continue_() == "before DATA, after 5xx"
        assert d.line == "DATA"
        d.clear()
        assert d.continue_(verb="QUIT") == "before QUIT"
        assert d.continue_() == "at the end"
        with pytest.raises(ValueError, match="a breakpoint wants"):
            d.break_at()


def test_edit_skip_insert(server: Any, session: smtplab.Session) -> None:
    with session.debug(to=server) as d:
        d.step()
        d.insert("NOOP before")
        assert d.line == "NOOP before"
        d.step()
        d.edit("MAIL FROM:<eve@example.test>")
        d.step(2)
        d.skip()  # the second recipient
        d.step()
        d.edit(content=b"Subject: other\r\n\r\n.dot\r\n")
        d.continue_()
        lines = d.session.commands.line.to_list()
    assert lines == [
        "EHLO desk.example.test", "NOOP before", "MAIL FROM:<eve@example.test>", "RCPT TO:<alice@example.test>", "DATA", ".",
        "QUIT",
    ]  # fmt: skip
    assert server.messages[0].content == b"Subject: other\r\n\r\n.dot\r\n"
    for wrong in ({"line": "two\r\nlines"}, {}, {"line": "a", "content": b"b"}):
        with pytest.raises(ValueError, match=r"line|step"):
            d.edit(**wrong)
    with pytest.raises(ValueError, match="no next step: rewind"):
        d.skip()


def test_rewind_and_branch(server: Any, session: smtplab.Session) -> None:
    with session.debug(to=server) as d:
        d.continue_(verb="DATA")
        place = d.place
        with d.branch() as other:
            assert other.place == place
            other.edit("RSET")
            other.continue_()
            d.continue_()
            assert "RSET" in other.session.commands.verb.to_list()
            assert "RSET" not in d.session.commands.verb.to_list()
            compared = d.compare(other)
            assert (compared.frame.sign != "=").any()
            assert "RSET" in other.export("smtplab")
        d.rewind(2)
        assert (d.place, d.line) == (2, "RCPT TO:<alice@example.test>")
        assert d.session.commands.verb.to_list() == ["EHLO", "MAIL"]
        for wrong in (-1, 99, True, "x"):
            with pytest.raises(ValueError, match="allowed are 0 to"):
                d.rewind(wrong)


def test_a_server_that_goes_away(session: smtplab.Session) -> None:
    with smtplab.serve(faults="mail drop") as server, session.debug(to=server, timeout=5) as d:
        d.continue_()
        assert d.over
        assert "closed the connection" in d.stopped
        assert "closed the connection" in repr(d)
        assert d.step() == d.answers
        d.rewind(1)
        assert not d.over


def test_nobody_there(session: smtplab.Session) -> None:
    with pytest.raises(smtplab.ConversationError, match="refuses connections"):
        session.debug(to=("127.0.0.1", 1))
    with pytest.raises(smtplab.NotAllowedError):
        session.debug(to=("192.0.2.1", 25))
    with pytest.raises(ValueError, match="no option colour"):
        session.debug(to=("127.0.0.1", 1), colour="red")


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_nothing_is_left_behind(server: Any, session: smtplab.Session) -> None:
    before = threading.active_count()
    for _ in range(5):
        with session.debug(to=server) as d:
            d.step(3)
            d.rewind(1)
    del d
    gc.collect()
    assert threading.active_count() == before


@pytest.mark.slow
def test_the_widget(server: Any, session: smtplab.Session) -> None:
    with session.debug(to=server) as d:
        view = d.interact()
        assert view.line.value == "EHLO desk.example.test"
        view.press("step")
        assert view.answer.value == "250 HELP"
        view.line.value = "MAIL FROM:<eve@example.test>"
        view.press("step")
        view.line.value = "NOOP"
        view.press("insert")
        view.stop.value = "DATA"
        view.press("continue")
        assert "before DATA" in view.answer.value
        assert view.line.value == "DATA"
        view.press("back")
        view.press("skip")
        view.stop.value = ""
        view.press("continue")
        assert d.session.commands.line.to_list()[:4] == [
            "EHLO desk.example.test", "MAIL FROM:<eve@example.test>", "NOOP", "RCPT TO:<alice@example.test>",
        ]  # fmt: skip
        assert view.buttons["step"].disabled
        view.press("skip")
        assert "no next step" in view.answer.value
        view.press("restart")
        assert not view.buttons["step"].disabled
        assert "image/png" in view._repr_mimebundle_()[0]
        assert {name: len(one.steps) > 0 for name, one in view.views.items()} == {"ladder": True, "states": True}


SECRETS = ("opensesame77", "AHBhdABvcGVuc2VzYW1lNzc=", "b3BlbnNlc2FtZTc3")


def unsaid(*told: object) -> None:
    for one in told:
        assert not any(secret in str(one) for secret in SECRETS), one


@pytest.mark.parametrize("line", [f"AUTH PLAIN {SECRETS[1]}", f"auth=plain {SECRETS[1]}", "PASS opensesame77"])
@pytest.mark.slow
def test_what_auth_sends_is_played_and_not_told(session: smtplab.Session, line: str) -> None:
    """Typed by hand it is told nowhere; what goes out is what was typed."""
    with smtplab.serve(auth={"pat": "opensesame77"}) as server, session.debug(to=server) as d:
        view = d.interact()
        d.step()
        d.insert(line)
        unsaid(repr(d), d.line, d.steps, view.line.value, repr(d.next), d.next.turn.words)
        d.edit(line)
        unsaid(repr(d), d.line, d.steps, view.line.value)
        code = d.step()[0].code
        assert code == (235 if line.startswith("AUTH") else 500)
        unsaid(d.done, d.replayed.exchanges.to_csv(), d.replayed.diff.to_csv(), repr(d.replayed), view.line.value)
        assert line.split(" ")[0] + " " in d.done[-1].line
        for wrong in (line + "\r\n", "NOOP\r\n" + line):
            with pytest.raises(ValueError, match="has a line end in it") as told:
                d.edit(wrong)
            unsaid(told.value)
        d.continue_()
        unsaid(d.capture.commands.to_csv(), d.replayed.exchanges.to_csv())


def test_an_answer_of_auth_is_not_told_either(session: smtplab.Session) -> None:
    with smtplab.serve(auth={"pat": "opensesame77"}) as server, session.debug(to=server) as d:
        view = d.interact()
        d.step()
        for line in ("AUTH LOGIN", "cGF0", SECRETS[2]):
            view.line.value = line
            view.press("insert")
            unsaid(repr(d), d.steps, d.done, view.line.value, d.replayed.exchanges.to_csv())
            if line == "cGF0":
                with pytest.raises(ValueError, match="line end") as told:
                    d.insert(SECRETS[2] + "\n")
                unsaid(told.value)
        assert d.done[-1].step.verb == "AUTH-RESPONSE"
        assert d.answers[0].code == 235


def test_a_server_that_echoes_a_login_is_not_told_to_the_end(session: smtplab.Session) -> None:
    def echoes(made: socket.socket) -> None:
        made.sendall(b"220 mx\r\n")
        with made.makefile("rb") as lines:
            for line in lines:
                made.sendall(b"500 " + b"x" * 60 + b" what is " + line.strip() + b" opensesame77 of pat?\r\n")

    with peer(echoes) as address, session.debug(to=address) as d:
        view = d.interact()
        d.insert(f"AUTH PLAIN {SECRETS[1]}")
        d.step()
        assert view.answer.value.endswith("AUTH PLAIN ************************ ************ of pat?")
        unsaid(view.answer.value, d.replayed.exchanges.to_csv(), repr(d.replayed), d.replayed.first)


def test_stars_in_the_box_are_not_what_is_sent(session: smtplab.Session) -> None:
    with smtplab.serve(auth={"pat": "opensesame77"}) as server, session.debug(to=server) as d:
        view = d.interact()
        d.step()
        d.insert(f"AUTH PLAIN {SECRETS[1]}")
        assert view.line.value == "AUTH PLAIN ************************"
        view.press("insert")
        assert d.answers[0].code == 235
        view.press("step")
        assert d.answers[0].code == 503  # once more
