"""Work and memory are bounded by the octets of a capture, whatever these say: four times as much takes about four times as long."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import struct
import subprocess
import sys
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import builders as b
import floods
import numpy as np
import pytest
import zstandard
from floods import FLOODS
from speaking import quietly

from smtplab import Capture, schema
from smtplab.capture.source import open_sources
from smtplab.frames import echoes

# The time for 4n is compared with that for n, both of this process alone: 4 is linear, 16 quadratic.
# What takes no time at all may take a little more of it.
MOST, NOTHING = 8.0, 0.25
MEGABYTE = 1 << 20


def frames(octets: bytes) -> Capture:
    """The capture, every frame made."""
    capture = quietly(octets)
    for name in schema.FRAMES:
        capture.frame(name)
    return capture


def linear(work: Callable[[int], Callable[[], object]], n: int) -> None:
    """`work(n)` prepares and gives what is measured; a second look where the first one was too slow: machines are shared."""
    took: list[float] = []
    for _ in range(3):
        took = []
        for size in (n, 4 * n):
            job = work(size)
            began = time.process_time()
            job()
            took.append(time.process_time() - began)
        if took[1] < MOST * took[0] + NOTHING:
            return
    pytest.fail(f"{n} took {took[0]:.2f} s, {4 * n} took {took[1]:.2f} s")


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    frames(floods.unanswered(3))


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOODS)
def test_frames_take_linear_time(name: str) -> None:
    make, n = FLOODS[name]

    def work(size: int) -> Callable[[], object]:
        octets = make(size)
        return lambda: frames(octets)

    linear(work, n)


@pytest.mark.parametrize("name", FLOODS)
def test_a_small_flood_of_each_kind_is_read(name: str) -> None:
    make, n = FLOODS[name]
    frames(make(max(200, n // 100)))


# --- what people ask for by session, message and stream


def transcripts(capture: Capture) -> None:
    for session in capture:
        str(session.transcript())


def ladder(capture: Capture) -> None:
    capture.session(0).ladder().svg()


def cut(capture: Capture) -> None:
    assert sum(len(session.commands) for session in capture) == len(capture.commands)


def streams(capture: Capture) -> None:
    for session in capture:
        for side in ("client", "server"):
            session.stream(side, gaps=b"")


def contents(capture: Capture) -> None:
    for row in capture.messages.itertuples():
        capture.message(row.session, row.transaction)


def shown(capture: Capture) -> None:
    with tempfile.TemporaryDirectory() as folder:
        capture.to_pcapng(Path(folder, "shown.pcapng"), anonymize=True)


VIEWS: tuple[tuple[Callable[[Capture], None], str, int], ...] = (
    (transcripts, "gaps", 1500),
    (transcripts, "commands never answered", 8000),
    (transcripts, "one line", 300_000),
    (transcripts, "keep-alives", 8000),
    (transcripts, "lines of one reply", 5000),
    (ladder, "guesses of one session", 2000),
    (ladder, "gaps", 3000),
    (cut, "sessions that log in", 1500),
    (streams, "sessions that log in", 1500),
    (streams, "guesses of one session", 3000),
    (streams, "gaps", 10_000),
    (contents, "mails of one session", 1500),
    (contents, "contents broken off", 1500),
    (shown, "guesses of one session", 800),
    (shown, "contents broken off", 500),
    (shown, "gaps", 1000),
)


@pytest.mark.slow
@pytest.mark.parametrize(("view", "name", "n"), VIEWS, ids=[f"{view.__name__} of {name}" for view, name, _ in VIEWS])
def test_views_take_linear_time(view: Callable[[Capture], None], name: str, n: int) -> None:
    def work(size: int) -> Callable[[], object]:
        capture = frames(FLOODS[name][0](size))
        return lambda: view(capture)

    linear(work, n)


def test_a_stream_is_its_session_s_own_in_a_capture_of_many_packets() -> None:
    """Sessions are followed in shares of some thousand packets; what a stream begins with is numbered through all of them."""
    capture = frames(floods.each(3000, floods.HELLO, b"EHLO a\r\n", b"250 x\r\n"))
    assert len(capture) == 3000
    for session in (0, 1500, 1700, 2999):
        assert capture.session(session).stream("client") == b"EHLO a\r\n"
        assert capture.session(session).stream("server") == floods.HELLO + b"250 x\r\n"


@pytest.mark.slow
def test_tls_begins_in_each_session_at_its_own_time() -> None:
    capture = frames(floods.with_tls(2000))
    tls = capture.phases[capture.phases.phase == "tls"]
    assert tls.session.nunique() == 2000
    assert tls.groupby("session").duration.sum().nunique() == 1


# --- memory


def peak(work: Callable[[], object]) -> int:
    """Octets that Python and numpy took at most on the way."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


CLAIMS = {
    "pcap": floods.PCAP + struct.pack("<IIII", 0, 0, 0xFFFFFFF0, 0xFFFFFFF0) + bytes(900),
    "pcap, signed": floods.PCAP + struct.pack("<IIII", 0, 0, 0x7FFFFFFF, 0x7FFFFFFF) + bytes(900),
    "pcapng block": b.section() + b.interface() + struct.pack("<II", 6, 0xFFFFFFFC) + bytes(900),
    "pcapng packet": b.section()
    + b.interface()
    + b.block(6, struct.pack("<IIIII", 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF) + bytes(900)),
    "pcapng section": b.section(length=1 << 62) + bytes(900),
    "pcapng secrets": b.section() + b.block(10, struct.pack("<II", 0x544C534B, 0xFFFFFFFF) + bytes(900)),
}


@pytest.mark.parametrize("what", CLAIMS)
@pytest.mark.slow
def test_a_length_that_a_file_claims_takes_no_memory(what: str) -> None:
    assert peak(lambda: frames(CLAIMS[what])) < 16 * MEGABYTE


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(gzip.compress, id="gzip"),
        pytest.param(lzma.compress, id="xz", marks=pytest.mark.slow),
        pytest.param(bz2.compress, id="bz2", marks=pytest.mark.slow),
        pytest.param(zstandard.ZstdCompressor().compress, id="zstd"),
    ],
)
@pytest.mark.slow
def test_a_bomb_is_unpacked_up_to_its_bound(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """4 KiB of it are uncompressed at a time, which may be 200 MB: all of it, 2.5 GB, would not go unnoticed."""
    path = tmp_path / "bomb"
    path.write_bytes(pack(floods.PCAP + bytes(64 * MEGABYTE)) * 40)
    most = 2 * MEGABYTE
    assert peak(lambda: open_sources(path, largest=most)) < 256 * MEGABYTE
    (source,) = open_sources(path, largest=most)
    assert len(source.octets) == most
    assert source.losses[0][0] == "capture-cut-short"


@pytest.mark.slow
def test_connections_of_one_packet_take_bounded_memory() -> None:
    """Each is a row of numbers: 200 000 of them, in a process of their own, above what one connection takes."""
    program = (
        "import sys; sys.path.insert(0, 'tests'); import floods, smtplab\n"
        "octets = floods.opened(int(sys.argv[1]))\n"
        "capture = smtplab.open(octets); capture.findings\n"
        "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0], len(octets))\n"
    )
    if not Path("/proc/self/status").exists():
        pytest.skip("VmHWM is Linux'")
    at_most = []
    for count in (1000, 200_000):
        done = subprocess.run(
            [sys.executable, "-c", program, str(count)], cwd=Path(__file__).parent.parent, capture_output=True, text=True,
            check=True, env=os.environ,
        )  # fmt: skip
        kilobytes, octets = map(int, done.stdout.split())
        at_most.append(kilobytes * 1024 - octets)
    # the packets as they were made, joined, and what the reader keeps
    assert (at_most[1] - at_most[0]) / 200_000 < 1000


# --- echoes of many secrets


def test_of_many_secrets_each_is_masked() -> None:
    chance = np.random.default_rng(7)
    secrets = sorted(
        {bytes(chance.integers(97, 123, int(n)).astype(np.uint8)) for n in chance.integers(4, 200, 60)}, key=len
    )
    secrets = secrets[::-1]
    text = b" ".join(b"%d " % n + secrets[n % len(secrets)] + b"\r\n" for n in range(300)) + b"abc"
    found = echoes.masked(text, secrets)
    assert len(found) == len(text)
    one_by_one = text
    for secret in secrets:
        one_by_one = one_by_one.replace(secret, b"*" * len(secret))
    assert all(a == ord("*") for a, b in zip(found, one_by_one, strict=True) if b == ord("*"))
    assert all(a in (ord("*"), b) for a, b in zip(found, text, strict=True))
    assert echoes.masked(text, secrets[:3]) != text
    assert echoes.masked(b"abc", secrets) == b"abc"


def test_a_hundred_guesses_are_all_masked() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        capture = frames(floods.guesses(100))
    assert not capture.replies["text"].str.contains("AHVzZXI").any()
    assert not capture.commands.line.str.contains("AHVzZXI").any()
    assert b"AHVzZXI" not in capture.session(0).stream("server") + capture.session(0).stream("client")
    assert capture.replies["text"].str.contains("is wrong").sum() == 100
