"""Files that grow: opened with `follow=True`, read on by `refresh()`."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders import pcap
from speaking import ENVELOPE, HELLO, QUIT, talk

import smtplab

FRAMES = ("sessions", "commands", "replies", "transactions", "gaps", "findings", "packets")


def test_a_growing_file_is_read_on(tmp_path: Path) -> None:
    path = tmp_path / "growing.pcap"
    said = talk(*HELLO, *ENVELOPE, *QUIT)
    path.write_bytes(pcap(said.records[:8]))
    capture = smtplab.open(path, follow=True)
    before = capture.commands.verb.to_list()
    path.write_bytes(pcap(said.records))
    assert capture.refresh() is capture
    assert before == ["EHLO", "MAIL", "RCPT", "QUIT"][: len(before)]
    assert capture.commands.verb.to_list() == ["EHLO", "MAIL", "RCPT", "QUIT"]
    with pytest.raises(ValueError, match="follow=True"):
        smtplab.open(path).refresh()
    with pytest.raises(ValueError, match="follow=True"):
        smtplab.open(path.read_bytes(), follow=True)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.filterwarnings("ignore::smtplab.CaptureWarning")  # of the record at the end, which is not whole yet
def test_a_file_that_grows_at_any_octet_is_read_as_if_opened_then(seed: int, captures: Path, tmp_path: Path) -> None:
    """In the middle of a record, of a line, of content: after each refresh the frames are those of a fresh reading."""
    name = ("three-mails.pcap", "starttls.pcapng", "lossy.pcap", "bdat-pipelined.pcap")[seed % 4]
    whole = (captures / name).read_bytes()
    path = tmp_path / name
    ends = [*sorted(np.random.default_rng(seed).integers(300, len(whole), 5).tolist()), len(whole)]
    path.write_bytes(whole[: ends[0]])
    following = smtplab.open(path, follow=True)
    for end in ends:
        with path.open("ab") as file:
            file.write(whole[path.stat().st_size : end])
        fresh = smtplab.open(path)
        following.refresh()
        for frame in FRAMES:
            pd.testing.assert_frame_equal(getattr(following, frame), getattr(fresh, frame))


def test_a_file_that_did_not_grow_is_not_read_again(captures: Path, tmp_path: Path) -> None:
    path = tmp_path / "still.pcap"
    path.write_bytes((captures / "one-mail.pcap").read_bytes())
    capture = smtplab.open(path, follow=True)
    commands = capture.commands
    assert capture.refresh().commands is commands
    os.utime(path, ns=(0, 0))
    assert capture.refresh().commands is not commands
