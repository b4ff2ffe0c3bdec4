"""A capture that grows, under TLS: keys that come later open what was read before."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import smtplab

CAPTURES = Path(__file__).parent.parent / "captures"
FRAMES = ("sessions", "commands", "replies", "transactions", "phases", "findings")


@pytest.mark.parametrize("name", ["implicit-tls", "starttls-injection"])
def test_keys_that_come_later(tmp_path: Path, name: str) -> None:
    octets, keys = ((CAPTURES / f"{name}{end}").read_bytes() for end in (".pcap", ".keys"))
    grows, log = tmp_path / "grows.pcap", tmp_path / "log.keys"
    grows.write_bytes(octets[: len(octets) // 2])
    log.write_bytes(b"")
    with smtplab.open(grows, keylog=log, follow=True) as capture:
        assert not capture.sessions.decrypted.any()
        log.write_bytes(keys[: len(keys) // 2])
        assert len(capture.refresh().sessions)
        grows.write_bytes(octets)
        assert len(capture.refresh().sessions)
        log.write_bytes(keys)
        with smtplab.open(grows, keylog=log) as fresh:
            assert fresh.sessions.decrypted.all()
            capture.refresh()
            for frame in FRAMES:
                pd.testing.assert_frame_equal(capture.frame(frame), fresh.frame(frame))
