"""Mutated captures, read: no exception but `CaptureError`, and every law of the frames holds of whatever comes of them.

    python tests/fuzzing.py --minutes 10                 one seed after the other, from one that chance chose
    python tests/fuzzing.py --first 7 --count 1000       these seeds
    python tests/fuzzing.py kept/seed-7.bin              a file that was kept, again

A failure prints its seed and keeps the file; where packets can be left out of it so that it still fails, the smaller one is kept
beside it. The file at hand is kept as well while it is read, so that one that ends Python is not lost.
"""

from __future__ import annotations

import argparse
import faulthandler
import itertools
import secrets
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import builders as b
import mutating
import pandas as pd
import test_contract as contract

import smtplab
from smtplab import Capture, CaptureError, CaptureWarning, IncompleteError, schema
from smtplab.capture.read import read, reader_of
from smtplab.capture.records import Place

MOST_SESSIONS = 3  # of one capture are drawn and written out
SHARE_EVERY = 10  # one seed of so many is written as a capture to be shown, too
LONGEST = 120  # seconds for one file of less than a megabyte: then it hangs
LAWS: tuple[Callable[[Capture], None], ...] = (
    contract.assert_typed,
    contract.test_phases_cut_each_session_without_a_seam,
    contract.test_each_command_lies_in_one_phase,
    contract.test_commands_and_replies_name_each_other,
    contract.test_times_and_packets_are_those_of_the_packets_frame,
    contract.test_sessions_count_what_the_other_frames_hold,
    contract.test_transactions_recipients_and_messages_agree,
)


def octets_add_up(capture: Capture) -> None:
    """What was sent is what packets brought and gaps lack; no line holds an octet twice.

    Of a session whose keys came in the file, packets carry the records, and lines what stood in them: it is left out.
    """
    packets, gaps = capture.packets, capture.gaps
    sessions = capture.sessions[~capture.sessions.decrypted]

    def of(frame: pd.DataFrame, column: str) -> pd.Series[int]:
        return frame[column].fillna(0).groupby(frame["session"]).sum().reindex(sessions.session, fill_value=0)

    assert (packets.new >= 0).all()
    assert (packets.new <= packets["size"]).all()
    assert sessions.missing_bytes.to_list() == of(gaps, "size").to_list()
    for column, client in (("client_bytes", True), ("server_bytes", False)):
        new, lost = of(packets[packets.from_client == client], "new"), of(gaps[gaps.from_client == client], "size")
        assert sessions[column].to_list() == (new + lost).to_list()
        assert of(capture.phases, column).to_list() == new.to_list()
    assert (capture.commands["size"] >= 0).all()
    assert (of(capture.commands, "size").to_numpy() <= sessions.client_bytes.to_numpy()).all()
    assert (gaps["size"].dropna() > 0).all()
    assert (gaps.offset >= 0).all()


def nothing_is_invented(capture: Capture) -> None:
    """What is called accepted was; what is complete has every octet; findings name what there is."""
    t, r, m, f, s = capture.transactions, capture.recipients, capture.messages, capture.findings, capture.sessions
    assert ((t.code // 100 == 2).fillna(value=False) == (t.outcome == "accepted")).all()
    assert (t.code[t.outcome == "rejected"] >= 400).all()
    assert t.code[t.outcome.isin(["aborted", "incomplete"])].isna().all()
    assert ((r.code // 100 == 2).fillna(value=False) == r.accepted).all()
    assert (s.missing_bytes[s.complete] == 0).all()
    assert (s.outcome[s.complete] != "open").all()
    assert (s.rtt.dropna() >= pd.Timedelta(0)).all()
    assert ((s.outcome == "quit") == s.session.isin(capture.commands.session[capture.commands.verb == "QUIT"])).all()
    assert (m["size"] >= 0).all()
    for name, frame in ((n, capture.frame(n)) for n in schema.FRAMES):
        if name != "sessions":
            assert frame.session.dropna().between(0, len(s) - 1).all(), name
    assert f.severity.notna().all()
    assert f.summary.notna().all()
    lines = capture.replies["text"].fillna("").str.count("\n") + 1
    assert (lines == capture.replies["lines"]).all()


def shown(capture: Capture) -> None:
    """Everything that people look at can be made, and breaks neither line nor page."""
    assert "\n" not in repr(capture)
    assert capture._repr_html_().endswith("</table>")
    for number in range(min(len(capture), MOST_SESSIONS)):
        session = capture.session(number)
        assert "\n" not in repr(session)
        transcript = session.transcript(content=True)
        for text in (str(transcript), repr(transcript)):
            assert not any(ord(c) < 32 and c != "\n" for c in text)
        assert "<script" not in transcript._repr_html_().lower()
        assert session.ladder().svg().startswith("<svg")
        for side in ("client", "server"):
            whole = session.stream(side, gaps=b"?")
            if not capture.sessions.decrypted[number]:  # a hole under TLS has room for what it may have had
                assert len(whole) == capture.sessions[f"{side}_bytes"][number]
            session.stream(side, gaps=b"")
    for row in capture.messages.head(20).itertuples():
        message = capture.message(row.session, row.transaction)
        assert len(message.octets(gaps=b"")) == row.size
        try:
            assert len(message.bytes) == row.size
            assert row.complete
        except IncompleteError:
            assert not row.complete


def said_in(capture: smtplab.Capture) -> list[tuple[int, list[str]]]:
    """Of each session its octets, and its verbs unless some are lost: what comes behind a gap is guessed from what it looks like.

    A session of which no line was read is left out: what it was found by stands in no line, and a copy to be shown may lack it.
    """
    verbs = capture.commands.groupby("session").verb.agg(list)
    spoke = set(verbs.index) | set(capture.replies.session)
    rows = capture.sessions[capture.sessions.session.isin(spoke)]
    return [(row.client_bytes, [] if row.missing_bytes else verbs.get(row.session, [])) for row in rows.itertuples()]


def examine(octets: bytes, *, share: bool = False) -> bool:
    """Read a file and hold every law; False where it is no capture. `share`: write it as a capture to be shown, too."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", CaptureWarning)
        try:
            capture = smtplab.open(octets)
        except CaptureError as error:
            said = str(error)
        else:
            said = ""
        if said:
            assert "\n" not in said
            return False
        for name in schema.FRAMES:
            capture.frame(name)
        for law in (*LAWS, octets_add_up, nothing_is_invented, shown):
            law(capture)
        if share and len(capture) and not capture.sessions.decrypted.any():  # a copy to be shown has no keys
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "shown.pcapng")
                capture.to_pcapng(path, anonymize=True)
                assert said_in(smtplab.open(path)) == said_in(capture)
    return True


def place_of(error: BaseException) -> tuple[str, str]:
    """What failed, and where: the same fault of another file has the same."""
    frames = traceback.extract_tb(error.__traceback__)
    return type(error).__name__, f"{Path(frames[-1].filename).name}:{frames[-1].name}:{frames[-1].lineno}"


def fault_of(octets: bytes, *, share: bool) -> tuple[str, str] | None:
    """The fault that a file shows, None where it shows none."""
    try:
        examine(octets, share=share)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is what was looked for
        return place_of(error)
    return None


def smaller(octets: bytes, fault: tuple[str, str], *, share: bool, patience: float = 60) -> bytes:
    """Packets left out, half of them first, as long as the fault stays; at most `patience` seconds."""
    packets = read(octets)
    piece_of = reader_of(Place(packets.buf, 0, len(packets.buf), "", 0)).pieces()
    kept = [
        (time_ % (2**31 * 10**9), packets.buf[at : at + size].tobytes())
        for piece in piece_of
        for time_, at, size in zip(piece.time.tolist(), piece.position.tolist(), piece.captured.tolist(), strict=True)
    ]
    until = time.monotonic() + patience
    if fault_of(b.pcap(kept), share=share) != fault:
        return octets
    step = max(1, len(kept) // 2)
    while step and time.monotonic() < until:
        at = 0
        while at < len(kept) and time.monotonic() < until:
            fewer = kept[:at] + kept[at + step :]
            if fault_of(b.pcap(fewer), share=share) == fault:
                kept = fewer
            else:
                at += step
        step //= 2
    return b.pcap(kept)


def run(
    seeds: Iterator[int], *, minutes: float | None, folder: Path, count: int | None = None
) -> tuple[int, int, list[int]]:
    """Examine one seed after the other; returns how many were captures, how many were none, and the seeds that failed."""
    until = None if minutes is None else time.monotonic() + 60 * minutes
    good, none = 0, 0
    failed: list[int] = []
    known: set[tuple[str, str]] = set()
    folder.mkdir(parents=True, exist_ok=True)
    now = folder / "at-hand.bin"
    for seed in itertools.islice(seeds, count):
        if until is not None and time.monotonic() > until:
            break
        octets = mutating.hostile(seed)
        now.write_bytes(octets)
        share = seed % SHARE_EVERY == 0
        faulthandler.dump_traceback_later(LONGEST, exit=True)
        try:
            if examine(octets, share=share):
                good += 1
            else:
                none += 1
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what was looked for
            failed.append(seed)
            fault = place_of(error)
            if fault not in known:
                known.add(fault)
                faulthandler.cancel_dump_traceback_later()
                kept = folder / f"seed-{seed}.bin"
                kept.write_bytes(octets)
                traceback.print_exception(error)
                try:
                    less = smaller(octets, fault, share=share)
                    (folder / f"seed-{seed}-smaller.pcap").write_bytes(less)
                except Exception as again:  # noqa: BLE001  # the fault at hand is the news, not this one
                    print(f"not made smaller: {again!r}", file=sys.stderr)
                print(f"\nseed {seed} fails; the file is kept: {kept}\n", file=sys.stderr)
        finally:
            faulthandler.cancel_dump_traceback_later()
    now.unlink(missing_ok=True)
    return good, none, failed


def main() -> int:
    parser = argparse.ArgumentParser(description="Read mutated captures until stopped; a fault prints its seed.")
    parser.add_argument("files", nargs="*", type=Path, help="files that were kept: examine these alone")
    parser.add_argument("--minutes", type=float, help="stop after so many minutes")
    parser.add_argument("--first", type=int, help="first seed; by chance where not given")
    parser.add_argument("--count", type=int, help="stop after so many seeds")
    parser.add_argument("--keep", type=Path, default=Path("fuzz"), help="folder for files that fail (fuzz)")
    given = parser.parse_args()
    for path in given.files:
        print(path, "a capture, no fault" if examine(path.read_bytes(), share=True) else "no capture")
    if given.files:
        return 0
    first = secrets.randbelow(1 << 40) if given.first is None else given.first
    print(f"seeds from {first} on", flush=True)
    began = time.monotonic()
    try:
        good, none, failed = run(itertools.count(first), minutes=given.minutes, folder=given.keep, count=given.count)
    except KeyboardInterrupt:
        print("stopped")
        return 0
    print(
        f"{good} captures, {none} files that are none, in {time.monotonic() - began:.0f} s; failed: {failed or 'nothing'}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
