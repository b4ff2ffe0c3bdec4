"""Parts taken out of a capture: octet for octet what was sent, under names that stay in their folder; found by hash and name."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

import pytest
from builders import pcap
from hypothesis import given
from hypothesis import strategies as st
from speaking import ENVELOPE, HELLO, QUIT, heard, quietly, shipped, talk

import smtplab
from smtplab import Capture
from smtplab.share.filenames import LIMIT, safe
from smtplab.share.parts import _number

CAPTURES = Path(__file__).parent.parent / "captures"


def sent(*lines: str) -> Capture:
    """A capture of one mail; a bar in a line is the line end between them."""
    return heard(*ENVELOPE, "C: DATA", "S: 354 go", "C: " + "|".join(lines) + "|.", "S: 250 ok", *QUIT)


def mixed(*parts: str) -> Capture:
    body = [line for part in parts for line in ("--b", *part.split("|"))]
    return sent("Content-Type: multipart/mixed; boundary=b", "", *body, "--b--")


HOSTILE = [
    "../../x", "/etc/passwd", "..\\..\\x", "C:\\x", "..", ".", "CON", "nul.txt", "a\\x00b", "x" * 10_000 + ".txt",
    ".bashrc", "a/b/../../c", "-rf", "~/x", "file.txt::$DATA", "a\u202etxt.exe", "x", "X", "x",
]  # fmt: skip


def test_names_from_the_wire_never_leave_the_folder_and_never_collide(tmp_path: Path) -> None:
    parts = [f'Content-Disposition: attachment; filename="{name}"||{n}' for n, name in enumerate(HOSTILE)]
    head = "Content-Type: multipart/mixed; boundary=b|"
    capture = heard(
        *ENVELOPE, "C: DATA", "S: 354 go",
        ("C: " + head + "".join(f"|--b|{part}" for part in parts) + "|--b--|.").encode().decode("latin-1"),
        "S: 250 ok", *QUIT,
    )  # fmt: skip
    folder = tmp_path / "inner" / "files"
    paths = capture.export_parts(folder)
    assert len(paths) == len(set(map(str.lower, map(str, paths)))) == len(HOSTILE)
    assert all(path.parent == folder and path.is_file() for path in paths)
    assert [path.read_text() for path in paths] == [str(n) for n in range(len(HOSTILE))]
    assert sorted(path.name for path in (tmp_path / "inner").iterdir()) == ["files"]
    assert all(len(path.name.encode()) < 200 for path in paths)


def test_deep_numbers_are_cut_and_stay_apart() -> None:
    deep = [".".join(["1"] * n) for n in range(2, 100)]
    assert len(set(map(_number, deep))) == len(deep)
    assert max(map(len, map(_number, deep))) == 40


@given(st.text(max_size=400))
def test_any_name_is_made_safe(name: str) -> None:
    made = safe(smtplab.printable.printable(name.encode("utf-8", "surrogatepass")))
    assert "/" not in made
    assert "\\" not in made
    assert "\0" not in made
    assert made not in (".", "..")
    assert len(made.encode()) <= LIMIT


def test_parts_are_what_was_sent(tmp_path: Path) -> None:
    capture = shipped(CAPTURES / "large-attachment.pcap")
    content = capture.message(0, 1).bytes
    for row in capture.parts.itertuples():
        octets = capture.part(0, 1, row.part)
        raw = content[row.offset : row.offset + row.encoded_size]
        if row.encoding == "7bit":
            assert octets == raw
        if isinstance(row.sha256, str):
            assert hashlib.sha256(octets).hexdigest() == row.sha256
            assert len(octets) == row.size
    (path,) = capture.export_parts(tmp_path)
    assert (
        path.read_bytes()
        == capture.part(0, 1, "2")
        == capture.message(0, 1).email.get_payload(1).get_payload(decode=True)
    )
    everything = capture.export_parts(tmp_path, capture.parts)
    assert [one.name.split("-part-")[1] for one in everything] == ["1.1", "1.2", "2-map.png"]
    with pytest.raises(ValueError, match="lack part"):
        capture.export_parts(tmp_path, capture.messages)


def test_find() -> None:
    capture = shipped(CAPTURES / "large-attachment.pcap")
    row = capture.parts.iloc[-1]
    for key in ("md5", "sha1", "sha256"):
        assert capture.find(**{key: row[key].upper()}).part.to_list() == ["2"]
        assert capture.find(**{key: row[key][::-1]}).empty
    assert capture.find(name="MAP.*", sha256=row.sha256).part.to_list() == ["2"]
    with pytest.raises(ValueError, match="64 hexadecimal"):
        capture.find(sha256="abc")
    with pytest.raises(ValueError, match="what to look for"):
        capture.find()
    with pytest.raises(KeyError, match="no part '9': there are 0, 1"):
        capture.part(0, 1, "9")


def test_what_a_capture_lacks_is_missing_from_its_part(tmp_path: Path) -> None:
    text = "Content-Type: multipart/mixed; boundary=b||--b||" + "x" * 900 + "|" + "y" * 900
    said = talk(
        *HELLO,
        *ENVELOPE,
        "C: DATA",
        "S: 354 go",
        f"C: {text}",
        "C: " + "z" * 50,
        "C: w|--b|Content-Disposition: attachment||whole|--b--|.",
        "S: 250 ok",
        *QUIT,
    )
    records = [one for one in said.records if b"zzzz" not in one[1]]
    capture = quietly(pcap(records))
    assert capture.parts.part.to_list() == ["0", "1", "2"]
    assert capture.parts.complete.to_list() == [False, False, True]
    assert capture.parts.sha256.isna().to_list() == [True, True, False]
    assert capture.part(0, 1, "2") == b"whole"
    with pytest.raises(smtplab.IncompleteError, match="part 1 of session 0, transaction 1: 52 octets are missing"):
        capture.part(0, 1, "1")
    assert capture.part(0, 1, "1", gaps=b"?").endswith(b"y\r\n" + b"?" * 52 + b"w")
    with pytest.warns(smtplab.CaptureWarning, match="a part is incomplete and not written"):
        capture.export_parts(tmp_path, capture.parts[capture.parts.part == "1"])


# --- findings


@pytest.mark.parametrize(
    ("part", "rule", "severity"),
    [
        ("Content-Type: image/png; name=a.png||GIF89a\x01\x02", "part-type-disagrees", "notice"),
        ("Content-Type: text/plain; name=a.pdf.exe||text", "part-double-ending", "warning"),
        ("Content-Type: a/b; name=a|Content-Disposition: attachment; filename=b||x", "mime-two-names", "notice"),
        ("Content-Type: a/b|Content-Type: c/d||x", "mime-duplicate", "notice"),
        ("Content-Transfer-Encoding: base64||YWJj!ZGVm", "base64-junk", "notice"),
        ("Content-Transfer-Encoding: base64||YQ==YQ==", "base64-padding-inside", "notice"),
        ("Content-Transfer-Encoding: rot13||x", "mime-encoding-unknown", "notice"),
        ("Content-Type: multipart/mixed||x", "mime-boundary-missing", "notice"),
        ("Content-Type: multipart/mixed; boundary=c||--c||x", "mime-not-closed", "info"),
        ("Content-Type: multipart/mixed; boundary=c||--c||x|--c--|more", "mime-data-after-end", "notice"),
    ],
)
def test_what_evades_a_filter_is_found(part: str, rule: str, severity: str) -> None:
    capture = mixed(part)
    found = capture.findings.set_index("rule")
    assert rule in found.index
    row = found.loc[rule]
    assert row.severity == severity
    assert (row.session, row.transaction) == (0, 1)
    assert row.command == capture.commands.loc[capture.commands.verb == "DATA-END", "command"].iloc[0]


def test_programs_that_say_they_are_not_are_a_warning() -> None:
    import base64

    program = base64.b64encode(b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0" + bytes(40)).decode()
    capture = mixed(f"Content-Type: image/png; name=a.png|Content-Transfer-Encoding: base64||{program}")
    row = capture.findings.set_index("rule").loc["part-type-disagrees"]
    assert row.severity == "warning"
    assert "said to be image/png" in row.summary
    assert row.evidence == b"a.png"


def test_an_ordinary_mail_has_no_findings() -> None:
    capture = mixed(
        "Content-Type: text/plain||Hello",
        "Content-Type: text/html||<html>Hello",
        "Content-Type: text/csv; name=a.csv||1;2",
    )
    assert capture.findings.empty


def pieces(file: bytes, *, size: int = 100, without: int = 0, spoiled: int = 0) -> list[bytes]:
    """A file as mails with a yEnc piece each, but for the piece `without`."""
    found = []
    total = -(-len(file) // size)
    for n in range(total):
        octets = file[n * size : (n + 1) * size]
        line = bytes((octet + 42) & 255 for octet in octets)
        for special in (b"=", b"\0", b"\r", b"\n"):
            line = line.replace(special, b"=" + bytes([(special[0] + 64) & 255]))
        if n + 1 == spoiled:
            line = line[:-1] + b"x"
        head = b"=ybegin part=%d total=%d line=9999 size=%d name=../map.bin\r\n" % (n + 1, total, len(file))
        head += b"=ypart begin=%d end=%d\r\n" % (n * size + 1, n * size + len(octets))
        tail = b"=yend size=%d part=%d pcrc32=%08x crc32=%08x" % (
            len(octets),
            n + 1,
            zlib.crc32(octets),
            zlib.crc32(file),
        )
        if n + 1 != without:
            found.append(b"Subject: piece\r\n\r\n" + head + line + b"\r\n" + tail + b"\r\n.\r\n")
    return found


def mailed(mails: list[bytes]) -> Capture:
    turns = [
        turn
        for one in mails
        for turn in (*ENVELOPE, "C: DATA", "S: 354 go", "C> " + one.decode("latin-1"), "S: 250 ok")
    ]
    return heard(*turns, *QUIT)


def test_pieces_in_several_messages_are_joined_where_all_are_there(tmp_path: Path) -> None:
    file = bytes(range(250)) * 3
    capture = mailed(pieces(file)[::-1])
    *each, whole = capture.export_parts(tmp_path)
    assert len(each) == 8
    assert whole.name == "joined-00000-map.bin"
    assert whole.read_bytes() == file


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"without": 3}, "of 8 pieces 3 missing"),
        ({"without": 8}, "of 8 pieces 8 missing"),
        ({"spoiled": 2}, "damaged: piece 2"),
    ],
)
def test_nothing_is_joined_across_a_piece_that_is_missing(options: dict[str, int], why: str, tmp_path: Path) -> None:
    capture = mailed(pieces(bytes(range(250)) * 3, **options))
    with pytest.warns(smtplab.CaptureWarning, match=f"map.bin, sent in pieces, is not joined: {why}"):
        written = capture.export_parts(tmp_path)
    assert not any(path.name.startswith("joined") for path in written)
    assert len(written) == len(list(tmp_path.iterdir()))
