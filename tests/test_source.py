"""What a user may open: paths, folders, patterns, octets, file objects; plain or compressed, whole or damaged."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import mmap
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import builders as b
import lz4.frame
import numpy as np
import pytest
import zstandard

from smtplab.capture.packets import Packets
from smtplab.capture.read import read
from smtplab.capture.source import Source, open_sources
from smtplab.errors import CaptureError

MAIL = b.Conversation().server(b"220 mx ESMTP\r\n").client(b"EHLO a\r\n").close().pcap()
LATER = b.Conversation(time=b.START + 10**12).server(b"220 later ESMTP\r\n").pcapng()


def zstd(octets: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(octets)


def lz4_frame(octets: bytes) -> bytes:
    return bytes(lz4.frame.compress(octets, block_checksum=True))


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": zstd,
    "xz": lambda octets: lzma.compress(octets, preset=0),
    "bz2": bz2.compress,
    "lz4": lz4_frame,
}


def octets_of(source: Any, **named: int) -> list[bytes]:
    return [one.octets.tobytes() for one in open_sources(source, **named)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, octets in {"b.pcap": MAIL, "a.pcapng.gz": gzip.compress(LATER), "c.CAP": MAIL, "d.pcap12": MAIL}.items():
        (tmp_path / name).write_bytes(octets)
    for name in ("a.keys", "notes.txt", "pcap", "x.pcap.md5"):
        (tmp_path / name).write_text("no capture")
    (tmp_path / "e.pcap").mkdir()
    return tmp_path


def test_each_kind_of_source(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "b.pcap"
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(MAIL)))
    with path.open("rb") as file:
        sources: list[Any] = [
            path,
            str(path),
            "b.pcap",
            MAIL,
            bytearray(MAIL),
            memoryview(MAIL),
            io.BytesIO(MAIL),
            file,
            "-",
        ]
        for source in sources:
            assert octets_of(source) == [MAIL]
    names = [one.name for one in open_sources([path, "b.pcap", MAIL, io.BytesIO(MAIL)])]
    assert names == [str(path), "b.pcap", "<bytes>", "<file>"]


def test_a_file_object_is_read_from_where_it_stands() -> None:
    file = io.BytesIO(b"before" + MAIL)
    file.seek(6)
    assert octets_of(file) == [MAIL]


def test_a_folder_gives_its_captures_by_name(folder: Path) -> None:
    names = [Path(one.name).name for one in open_sources(folder)]
    assert names == ["a.pcapng.gz", "b.pcap", "c.CAP", "d.pcap12"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.pcap", ["b.pcap"]),
        ("[ab]*", ["a.pcapng.gz", "b.pcap"]),
        ("**/?.pcap*", ["a.pcapng.gz", "b.pcap", "d.pcap12"]),
    ],
)
def test_a_pattern_gives_the_captures_it_matches(folder: Path, pattern: str, names: list[str]) -> None:
    assert [Path(one.name).name for one in open_sources(str(folder / pattern))] == names


def test_a_pattern_without_captures_names_gives_all_it_matches(tmp_path: Path) -> None:
    for name in ("trace.2", "trace.1"):
        (tmp_path / name).write_bytes(MAIL)
    assert [Path(one.name).name for one in open_sources(f"{tmp_path}/trace.*")] == ["trace.1", "trace.2"]


def test_a_name_that_looks_like_a_pattern_is_a_name_first(tmp_path: Path) -> None:
    (tmp_path / "mail[1].pcap").write_bytes(MAIL)
    assert octets_of(str(tmp_path / "mail[1].pcap")) == [MAIL]


def test_a_plain_file_is_mapped_and_cannot_be_written_to(folder: Path) -> None:
    (source,) = open_sources(folder / "b.pcap")
    view: Any = source.octets.base
    assert isinstance(view.obj, mmap.mmap)
    assert not source.octets.flags.writeable


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(MAIL,))
    writer.start()
    assert octets_of(path) == [MAIL]
    writer.join()


def test_octets_are_aligned_wherever_they_came_from() -> None:
    (source,) = open_sources(memoryview(b"123" + MAIL)[3:])
    assert source.octets.ctypes.data % 8 == 0
    assert source.octets.tobytes() == MAIL


ERRORS: dict[str, tuple[Callable[[Path], Any], str, int | None]] = {
    "no file": (lambda p: p / "none.pcap", "no such file", None),
    "no folder": (lambda p: p / "none" / "x.pcap", "no such file", None),
    "name with NUL": (lambda p: f"{p}/\0.pcap", "cannot be read: embedded null byte", None),
    "folder without captures": (lambda p: p / "e.pcap", "a folder without captures", None),
    "pattern without match": (lambda p: f"{p}/*.dmp", "no file matches this pattern", None),
    "empty list": (lambda p: [], "the list of captures is empty", None),
    "empty file": (lambda p: p / "empty.pcap", "is empty: expected a pcap or pcapng header", 0),
    "empty octets": (lambda p: b"", "is empty: expected a pcap or pcapng header", 0),
    "text": (
        lambda p: p / "notes.txt",
        "no capture: it begins with 6e 6f 20 63 61 70 74 75; expected a pcap or pcapng",
        0,
    ),
    "one octet": (lambda p: b"\xd4", "no capture: it begins with d4;", 0),
    "picture": (lambda p: b"\x89PNG\r\n\x1a\n", "no capture: it begins with 89 50 4e 47 0d 0a 1a 0a;", 0),
    "picture, compressed": (lambda p: gzip.compress(b"\x89PNG"), "no capture: it begins with 89 50 4e 47;", 0),
    "half a header": (lambda p: MAIL[:23], "ends after 23 octets: expected a pcap header of 24", 23),
    "half a section": (lambda p: LATER[:27], "ends after 27 octets: expected a whole section header", 27),
    "nothing, compressed": (lambda p: gzip.compress(b""), "the gzip stream holds nothing; expected a compressed", 20),
    "gzip's magic alone": (lambda p: b"\x1f\x8b", "the gzip stream is cut short after 2 octets; expected a compr", 2),
    "no gzip": (lambda p: b"\x1f\x8b" + bytes(9), "the gzip stream is damaged near octet 3: ", 3),
}


@pytest.mark.parametrize(("source", "message", "offset"), ERRORS.values(), ids=list(ERRORS))
def test_what_is_no_capture_is_said_in_one_line(
    folder: Path, source: Callable[[Path], Any], message: str, offset: int | None
) -> None:
    (folder / "empty.pcap").touch()
    given = source(folder)
    with pytest.raises(CaptureError) as raised:
        read(given)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.offset == offset
    if isinstance(given, (str, Path)):
        assert raised.value.file == str(given)


@pytest.mark.parametrize("source", [7, None, 1.5, [MAIL, 7], io.StringIO("text")])
def test_what_is_no_source_at_all(source: Any) -> None:
    with pytest.raises(TypeError, match="expected a"):
        read(source)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no such permissions here")
def test_a_file_that_may_not_be_read() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folder is closed to all but its owner
        closed = Path(name) / "closed.pcap"
        closed.write_bytes(MAIL)
        closed.chmod(0)
        Path(name).chmod(0o755)
        root = os.geteuid() == 0
        if root:  # who may read everything: for this one call the test is nobody
            os.seteuid(65534)
        try:
            with pytest.raises(CaptureError, match="cannot be read: Permission denied"):
                read(closed)
        finally:
            if root:
                os.seteuid(0)


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_each_compression_is_told_by_its_octets(kind: str, tmp_path: Path) -> None:
    large = b.pcap((b.START, b.frame(os.urandom(1000))) for _ in range(50))
    for octets in (MAIL, large):
        packed = COMPRESSORS[kind](octets)
        path = tmp_path / "no-ending"
        path.write_bytes(packed)
        assert octets_of(path) == octets_of(packed) == [octets]
        (source,) = open_sources(path)
        assert not source.losses


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_streams_one_behind_the_other(kind: str) -> None:
    pack = COMPRESSORS[kind]
    (source,) = open_sources(pack(MAIL[:100]) + pack(MAIL[100:]))
    assert (source.octets.tobytes(), source.losses) == (MAIL, [])


@pytest.mark.parametrize("kind", ["gz", "xz"])
def test_padding_behind_a_stream(kind: str) -> None:
    (source,) = open_sources(COMPRESSORS[kind](MAIL) + bytes(512))
    assert (source.octets.tobytes(), source.losses) == (MAIL, [])


def opened(octets: bytes, **named: int) -> Source | None:
    """What can be opened of it, None where nothing can."""
    try:
        return open_sources(octets, **named)[0]
    except CaptureError:
        return None


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_a_compressed_stream_cut_anywhere_gives_what_came_before(kind: str) -> None:
    packed = COMPRESSORS[kind](MAIL)
    sizes = []
    for size in range(6, len(packed)):
        source = opened(packed[:size])
        sizes.append(len(source.octets) if source else 0)
        if source:
            assert MAIL.startswith(source.octets.tobytes())
            assert [rule for rule, _ in source.losses] == ["capture-cut-short"]
            assert f"after {size} octets" in source.losses[0][1]
    assert sizes == sorted(sizes)
    if kind in {"gz", "xz"}:  # the others give whole blocks, and this capture is one
        assert sizes[len(sizes) // 2] > len(MAIL) // 4


@pytest.mark.parametrize("kind", COMPRESSORS)
@pytest.mark.slow
def test_a_damaged_stream_gives_what_came_before(kind: str) -> None:
    octets = b.pcap((b.START, b.frame(os.urandom(350).hex().encode())) for _ in range(2100))
    packed = bytearray(COMPRESSORS[kind](octets))
    at = len(packed) * 2 // 3
    packed[at : at + 64] = bytes(64)
    (source,) = open_sources(bytes(packed))
    ((rule, summary),) = source.losses
    assert rule == "capture-damaged"
    assert " stream is damaged near octet " in summary
    sound = len(octets) // 3  # bz2 checks blocks of 900,000 octets
    assert source.octets[:sound].tobytes() == octets[:sound]
    packets = read(bytes(packed))
    assert packets.packets >= 700
    assert packets.damage[0].rule == "capture-damaged"


@pytest.mark.parametrize("kind", COMPRESSORS)
@pytest.mark.slow
def test_any_octet_of_a_compressed_capture_may_be_wrong(kind: str) -> None:
    packed = COMPRESSORS[kind](MAIL)
    for at in range(len(packed)):
        opened(packed[:at] + bytes([packed[at] ^ 0x55]) + packed[at + 1 :], largest=1 << 20)


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_what_would_fill_the_memory_is_not_read_on(kind: str) -> None:
    packed = COMPRESSORS[kind](MAIL + bytes(1 << 20))
    (source,) = open_sources(packed, largest=1000)
    assert source.octets.tobytes() == (MAIL + bytes(1000))[:1000]
    assert source.losses == [("capture-cut-short", "more than 1000 octets uncompressed: the rest is not read")]
    (exact,) = open_sources(COMPRESSORS[kind](MAIL), largest=len(MAIL))
    assert not exact.losses


def same(one: Packets, other: Packets) -> bool:
    """The same packets, wherever they lie."""
    return all(
        (getattr(one, name) == getattr(other, name)).all() for name in ("time", "frame", "size", "captured", "flags")
    )


def payloads(packets: Packets) -> list[bytes]:
    places = zip(packets.pos.tolist(), packets.captured.tolist(), strict=True)
    return [packets.buf[p : p + n].tobytes() for p, n in places if n]


def test_several_files_count_as_given_and_are_read_by_time(tmp_path: Path) -> None:
    one = read([LATER, b.pcap([]), MAIL])
    assert payloads(one) == [b"220 mx ESMTP\r\n", b"EHLO a\r\n", b"220 later ESMTP\r\n"]
    assert [file.base % 8 for file in one.files] == [0, 0, 0]
    numbers = one.file_of(one.ip)
    assert sorted(set(numbers.tolist())) == [0, 2]
    assert numbers[0] == 2
    assert (np.diff(one.time) >= 0).all()
    assert one.frame.tolist() == [*range(1, len(read(MAIL)) + 1), *range(1, len(read(LATER)) + 1)]
    assert one.packets == len(one)
    assert not one.buf.flags.writeable


def test_ties_stand_in_the_order_of_the_first_packets() -> None:
    early = b.pcap([(1000, b.frame(b"early")), (5000, b.frame(b"tie, early file"))])
    late = b.pcap([(2000, b.frame(b"late")), (5000, b.frame(b"tie, late file"))])
    for files in ([early, late], [late, early]):
        assert payloads(read(files)) == [b"early", b"late", b"tie, early file", b"tie, late file"]


def test_packets_out_of_order_are_sorted_and_keep_their_numbers() -> None:
    times = [3000, 1000, 2000, 1000]
    packets = read(b.pcap((time, b.frame(b"%d" % n)) for n, time in enumerate(times)))
    assert payloads(packets) == [b"1", b"3", b"2", b"0"]
    assert packets.frame.tolist() == [2, 4, 3, 1]


def test_damage_names_its_file() -> None:
    cut = gzip.compress(MAIL)[:-9]
    packets = read([MAIL, MAIL[:-1], LATER, cut])
    assert [one.file for one in packets.damage] == sorted(one.file for one in packets.damage)
    assert {one.file for one in packets.damage} == {1, 3}


def test_secrets_come_from_every_file() -> None:
    files = [b.section() + b.secrets(text) for text in (b"one", b"two")]
    assert read(files).secrets == [b"one", b"two"]


def test_many_packets_make_room_more_than_once() -> None:
    small, large = b.frame(), b.frame(bytes(9000))
    octets = b.pcap([*[(n, large) for n in range(100)], *[(n + 100, small) for n in range(30000)]])
    packets = read([octets, MAIL])
    assert len(packets) == 30100 + len(read(MAIL))
    assert same(read(octets), read([octets]))


@pytest.mark.parametrize("file", [MAIL, LATER])
def test_words_cover_the_buffer(file: bytes) -> None:
    packets = read(file)
    assert packets.words.tobytes() == file[: len(file) // 8 * 8]
