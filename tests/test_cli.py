"""The command `smtplab`: what it prints, what it refuses, and what its exit codes say."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from builders import pcap
from speaking import EACH

import smtplab
from smtplab import lab
from smtplab.cli import GOOD, INTERRUPTED, MISUSED, NOTHING, UNREADABLE, main
from smtplab.cli.explore import environment
from smtplab.cli.terminal import Terminal, columns_of, cut, safe
from smtplab.frames import unread
from smtplab.frames.reading import Reading
from smtplab.schema import FRAMES
from smtplab.widgets.explorer import explore_asked

ESCAPE = "\x1b"
FIRST_START = re.compile("compiling its readers once")  # said once a machine, before whichever test comes first


def lines_of(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], list[str]]:
    said = capsys.readouterr()
    return said.out.splitlines(), [line for line in said.err.splitlines() if not FIRST_START.search(line)]


def smtplab_in(folder: Path, *words: str, octets: bytes = b"", **settings: str) -> subprocess.CompletedProcess[bytes]:
    """The command as a user runs it."""
    return subprocess.run(
        [sys.executable, "-m", "smtplab", *words],
        cwd=folder,
        input=octets,
        capture_output=True,
        check=False,
        env=os.environ | settings,
    )


def test_summary_tells_what_is_in_it(captures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", str(captures / "recipients-one-refused.pcap")]) == GOOD
    out, errors = lines_of(capsys)
    assert not errors
    assert out[0] == "recipients-one-refused.pcap"
    text = "\n".join(out)
    assert re.search(r"Sessions +1 with 1 server: 1 quit", text)
    assert re.search(r"Mail +1 transaction: 1 accepted", text)
    assert re.search(r"Recipients +2 accepted, 1 not", text)
    assert re.search(r"^  550 5\.1\.1 +1 +RCPT ", text, re.M)
    assert re.search(r"^  DATA-END +1 ", text, re.M)


def test_summary_puts_the_worst_first(captures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = captures / "two-hundred-sessions.pcap.gz"
    assert main(["summary", str(path)]) == GOOD
    out, _ = lines_of(capsys)
    head = next(number for number, line in enumerate(out) if line.startswith("Slowest sessions"))
    first = int(out[head + 2].split()[0])
    assert first == smtplab.open(path).sessions["duration"].idxmax()
    order = [line.split("  ")[0] for line in out if line and not line.startswith(" ")]
    assert order.index("Refused") < order.index("Slowest sessions") < order.index("Latency by verb")


def test_summary_of_many_files_is_one(captures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(captures / name) for name in ("one-mail.pcap", "three-mails.pcap")]
    assert main(["summary", *files]) == GOOD
    out, _ = lines_of(capsys)
    assert out[0] == "one-mail.pcap and 1 more file"
    assert any(re.search(r"Mail +4 transactions", line) for line in out)


@pytest.mark.parametrize("path", EACH)
@pytest.mark.slow
def test_every_capture_has_a_summary_and_a_transcript(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", str(path)]) == GOOD
    assert main(["transcript", str(path), "0"]) == GOOD
    said = capsys.readouterr().out
    assert ESCAPE not in said
    assert not re.search(r"\bnan\b|\bNaT\b|<NA>|Traceback", said)


def test_piped_output_keeps_its_width(captures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["summary", str(captures / "two-hundred-sessions.pcap.gz")])
    assert max(map(columns_of, lines_of(capsys)[0])) <= 100


def test_transcript_of_one_session(captures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = captures / "one-mail.pcap"
    assert main(["transcript", str(path), "0"]) == GOOD
    out, errors = lines_of(capsys)
    assert not errors
    assert out[0].startswith("session 0, ")
    for line in smtplab.open(path).commands["line"].head(4):
        assert any(line in spoken for spoken in out)


def test_transcript_masks_secrets(captures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = captures / "auth-plain.pcap"
    assert main(["transcript", str(path)]) == GOOD
    secret = smtplab.open(path, secrets=True).commands.query("verb == 'AUTH'")["argument"].iloc[0].split()[-1]
    text = "\n".join(lines_of(capsys)[0])
    assert secret not in text
    assert "*" * len(secret) in text


def test_transcript_of_a_session_that_is_not_there(captures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transcript", str(captures / "one-mail.pcap"), "7"]) == NOTHING
    assert lines_of(capsys) == ([], ["smtplab: one-mail.pcap: no session 7; it has 0 to 0"])


def test_a_key_log_opens_what_was_said_under_tls(
    captures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, keys = str(captures / "implicit-tls.pcap"), str(captures / "implicit-tls.keys")
    assert main(["transcript", path, "--keylog", keys]) == GOOD
    assert any("C: mail FROM:<pat@example.test>" in line for line in lines_of(capsys)[0])
    assert main(["transcript", path]) == GOOD
    assert not any(" C: " in line for line in lines_of(capsys)[0])
    assert main(["summary", path, "--keylog", keys]) == GOOD
    assert main(["export", path, "--keylog", keys, "--messages", str(tmp_path / "mails")]) == GOOD
    assert len(list((tmp_path / "mails").iterdir())) == 1
    monkeypatch.setattr("gc.freeze", lambda: None)  # of the page's own process
    for name, value in environment([path], keys).items():
        monkeypatch.setenv(name, value)
    assert explore_asked().session.row.decrypted
    capsys.readouterr()
    for command in ("summary", "transcript", "explore"):
        assert main([command, path, "--keylog", str(tmp_path / "none")]) == UNREADABLE
        assert lines_of(capsys)[1] == [f"smtplab: {tmp_path / 'none'}: no such file: expected a TLS key log"]


def test_limits_choose_sessions(captures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = captures / "vrfy-expn-help-noop.pcap"
    sessions = smtplab.open(path).sessions
    server, start = sessions["server"][1], sessions["start"][2]
    assert sessions["server"].nunique() > 1
    assert main(["transcript", str(path), "--host", f"{server}/32"]) == GOOD
    assert "\n".join(lines_of(capsys)[0]).count("session ") == (sessions["server"] == server).sum()
    assert main(["summary", str(path), "--host", server, "--host", "::/0", "--port", "25", "--port", "587"]) == GOOD
    assert re.search(r"Sessions +1 with 1 server", "\n".join(lines_of(capsys)[0]))
    assert main(["export", str(path), "--to", str(tmp_path), "--start", str(start), "--end", "2100-01-01"]) == GOOD
    assert len(smtplab.open(tmp_path).sessions) == (sessions["end"] >= start).sum()
    capsys.readouterr()
    assert main(["summary", str(path), "--port", "110"]) == NOTHING
    for words, said in (
        (["--host", "mx.example.org"], "hosts: 'mx.example.org' does not appear"),
        (["--start", "noon-ish"], "start: 'noon-ish' is no time"),
        (["--port", "99999"], "ports: 99999 is none"),
        (["--port", "smtp"], "argument --port: invalid int value"),
    ):
        capsys.readouterr()
        try:
            code = main(["summary", str(path), *words])
        except SystemExit as left:
            code = int(left.code or 0)
        _, errors = lines_of(capsys)
        assert code == MISUSED
        assert len(errors) == 1
        assert said in errors[0]


@pytest.mark.slow  # starts Python anew
def test_standard_input(captures: Path, tmp_path: Path) -> None:
    octets = (captures / "one-mail.pcap").read_bytes()
    for words in (["summary", "-"], ["transcript", "-"]):
        done = smtplab_in(tmp_path, *words, octets=octets)
        assert done.returncode == GOOD
        assert [line for line in done.stderr.decode().splitlines() if not FIRST_START.search(line)] == []
        assert ESCAPE.encode() not in done.stdout, "nobody sees colours in a pipe"


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("--parts", ["session-00000-transaction-001-part-2-map.png"]),
        ("--messages", ["session-00000-transaction-001.eml"]),
    ],
)
def test_export_of_mails_and_files(
    what: str, names: list[str], captures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(captures / "large-attachment.pcap"), what, str(tmp_path / "out")]
    assert main(words) == GOOD
    assert [path.name for path in (tmp_path / "out").iterdir()] == names
    capsys.readouterr()
    assert main(words) == UNREADABLE
    _, errors = lines_of(capsys)
    assert len(errors) == 1
    assert "holds files already" in errors[0]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
@pytest.mark.slow
def test_export(form: str, captures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = captures / "recipients-one-refused.pcap"
    words = ["export", str(path), "--to", str(tmp_path / "mail"), "--format", form]
    assert main(words) == GOOD
    capture = smtplab.open(path)
    for name in FRAMES:
        written = tmp_path / "mail" / f"{name}.{form}"
        if form == "csv":
            back = pd.read_csv(written)
        elif form == "jsonl":
            back = pd.DataFrame([json.loads(line) for line in written.read_text().splitlines()])
        else:
            back = pd.read_parquet(written)
        frame = getattr(capture, name)
        assert len(back) == len(frame)
        assert not len(frame) or list(back.columns) == list(frame.columns)
    capsys.readouterr()
    assert main(words) == UNREADABLE
    _, errors = lines_of(capsys)
    assert len(errors) == 1
    assert "is there already" in errors[0]


def test_export_of_what_is_large_reads_it_in_pieces(
    captures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unread, "LARGE", 1000)
    monkeypatch.setattr(Reading, "of", lambda *_, **__: pytest.fail("read as a whole"))
    assert main(["export", str(captures / "three-mails.pcap"), "--to", str(tmp_path / "frames")]) == GOOD
    assert f"{tmp_path / 'frames' / 'messages.parquet'}  3 rows" in lines_of(capsys)[0]
    monkeypatch.undo()
    assert len(smtplab.open(tmp_path / "frames").messages) == 3


def test_export_of_no_session_keeps_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none.pcap"
    path.write_bytes(pcap([]))
    for form in ("parquet", "csv"):
        assert main(["export", str(path), "--to", str(tmp_path / "frames"), "--format", form]) == NOTHING
        assert lines_of(capsys) == ([], ["smtplab: none.pcap: no SMTP in it"])
        assert not (tmp_path / "frames").exists()


def test_export_of_packets(captures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = captures / "vrfy-expn-help-noop.pcap", tmp_path / "out.pcapng"
    words = ["export", str(path), "--pcapng", str(out)]
    assert main([*words, "--session", "2", "--session", "0"]) == GOOD
    assert lines_of(capsys)[0] == [f"{out}  2 sessions"]
    whole = smtplab.open(path).sessions
    assert smtplab.open(out).sessions["client_port"].to_list() == whole["client_port"].iloc[[0, 2]].to_list()
    for more, code, said in (
        ([], UNREADABLE, "is there already"),
        (["--session", "3", "--pcapng", str(tmp_path / "x")], NOTHING, "no session 3; there are 0 to 2"),
        (["--pcapng", str(tmp_path / "nowhere" / "x")], UNREADABLE, "nowhere/x: No such file or directory"),
    ):
        assert main([*words, *more]) == code
        _, errors = lines_of(capsys)
        assert len(errors) == 1
        assert said in errors[0]
    assert main(["export", str(path), "--to", str(tmp_path / "mail"), "--anonymize"]) == MISUSED
    assert "go with --pcapng" in lines_of(capsys)[1][0]
    shown = tmp_path / "shown.pcapng"
    assert main(["export", str(path), "--pcapng", str(shown), "--anonymize"]) == GOOD
    assert smtplab.open(shown).commands["verb"].to_list() == smtplab.open(path).commands["verb"].to_list()
    assert not set(smtplab.open(shown).sessions["client"]) & set(whole["client"])


def test_export_keeps_what_text_can_keep(captures: Path, tmp_path: Path) -> None:
    path = captures / "recipients-one-refused.pcap"
    assert main(["export", str(path), "--to", str(tmp_path), "--format", "jsonl"]) == GOOD
    capture = smtplab.open(path)
    mail = json.loads((tmp_path / "transactions.jsonl").read_text().splitlines()[0])
    assert mail["recipients"] == list(capture.transactions["recipients"].iloc[0])
    command = json.loads((tmp_path / "commands.jsonl").read_text().splitlines()[0])
    assert command["latency"] == pytest.approx(capture.commands["latency"].iloc[0].total_seconds())
    assert pd.Timestamp(command["time"]) == capture.commands["time"].iloc[0]


@pytest.mark.parametrize(
    "words", [["summary"], ["transcript"], ["export", "x"], ["dance"], ["summary", "--colour", "x"]]
)
def test_wrong_calls_are_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == MISUSED
    out, errors = lines_of(capsys)
    assert not out
    assert len(errors) == 1
    assert errors[0].startswith("smtplab: ")
    assert "--help" in errors[0]


def test_no_capture_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("not a capture at all, only some notes")
    for path in (tmp_path / "notes.txt", tmp_path / "missing.pcap"):
        assert main(["summary", str(path)]) == UNREADABLE
        out, errors = lines_of(capsys)
        assert not out
        assert len(errors) == 1
        assert errors[0].startswith("smtplab: ")
        assert path.name in errors[0]


def test_a_capture_without_smtp(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000")
    (tmp_path / "empty.pcap").write_bytes(header)
    assert main(["summary", str(tmp_path / "empty.pcap")]) == NOTHING
    assert lines_of(capsys) == ([], ["smtplab: empty.pcap: no SMTP in it"])


def test_a_damaged_capture_is_read_up_to_the_damage(
    captures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    octets = (captures / "one-mail.pcap").read_bytes()
    (tmp_path / "cut.pcap").write_bytes(octets[: len(octets) * 2 // 3])
    assert main(["summary", str(tmp_path / "cut.pcap")]) == GOOD
    out, errors = lines_of(capsys)
    assert out
    assert len(errors) == 1
    assert "cut.pcap" in errors[0]


@pytest.mark.slow  # starts Python anew
def test_a_reader_who_goes_away_is_no_error(captures: Path) -> None:
    words = f"{sys.executable} -m smtplab transcript {captures / 'two-hundred-sessions.pcap.gz'} | head -1"
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("session 0, ")
    assert done.stderr == ""


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("smtplab.cli.commands.summary", interrupt)
    assert main(["summary", "x.pcap"]) == INTERRUPTED
    assert lines_of(capsys) == ([], [])


@pytest.mark.parametrize("command", ["summary", "transcript", "export", "lab"])
def test_help_teaches_by_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert f"  smtplab {command} " in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == GOOD
    assert capsys.readouterr().out == f"smtplab {smtplab.__version__}\n"


def test_demo(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == GOOD
    out, errors = lines_of(capsys)
    assert not errors
    assert "$ smtplab transcript one-mail.pcap 0" in out
    assert any(line.startswith("Latency by verb") for line in out)


def test_what_a_peer_sent_cannot_reach_the_terminal() -> None:
    assert safe("a\x1b[2Jb\u202ec\nd") == "a\\x1b[2Jb\\xe2\\x80\\xaec ⏎ d"
    assert cut("日本語", 5) == "日本…"
    assert columns_of(cut("日本語", 4)) <= 4


def test_colours_only_where_they_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Seen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Terminal.of(Seen()).colour
    assert not Terminal.of(io.StringIO()).colour
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Terminal.of(Seen()).colour


def test_table_gives_way_in_its_last_column() -> None:
    lines = list(Terminal(width=60).table(["a", ">n", "text"], [["x", "1", "y" * 100], ["long", "1000", "z"]]))
    assert lines[0] == "  a        n  text"
    assert lines[1].endswith("y…")
    assert max(map(len, lines)) == 60


def test_lab_copies_and_never_overwrites(tmp_path: Path) -> None:
    first = dict(lab.copy_to(tmp_path))
    assert set(first.values()) == {"new"}
    notebook = tmp_path / lab.FIRST
    assert notebook in first
    assert set(dict(lab.copy_to(tmp_path)).values()) == {"there"}
    notebook.write_text("mine")
    assert dict(lab.copy_to(tmp_path))[notebook] == "kept"
    assert notebook.read_text() == "mine"


def test_lab_asks_only_this_machine(tmp_path: Path) -> None:
    words = lab.command(tmp_path, browser=False)
    assert "--no-browser" in words
    assert "--LabApp.news_url=None" in words
    assert f"--ServerApp.root_dir={tmp_path}" in words


def test_explore_says_in_one_line_what_it_cannot_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.pcap").write_text("no capture at all")
    for words, code in ((["none.pcap"], UNREADABLE), (["notes.pcap"], UNREADABLE), (["-"], MISUSED)):
        assert (
            main(["explore", *(word if word == "-" else str(tmp_path / word) for word in words), "--no-browser"])
            == code
        )
        out, errors = lines_of(capsys)
        assert (out, len(errors)) == ([], 1)
