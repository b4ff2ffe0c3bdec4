"""What files cost: octets that add up, whatever was sent; the same file in every encoding; the picture of it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import frames_by_hand as hand
import pandas as pd
import pytest
from speaking import CAPTURES, EACH, ENVELOPE, GO, QUIT, heard, shipped

from smtplab import Capture
from smtplab.charts.cost import encodings
from smtplab.frames.costs import LAYERS, costs


@pytest.fixture(scope="module")
def recorded() -> Capture:
    return shipped(next(path for path in CAPTURES if path.name == "encodings.pcap"))


@pytest.mark.parametrize("path", EACH)
def test_layers_add_up_to_the_packets(path: Path) -> None:
    capture = shipped(path)
    made = costs(capture)
    assert (made[list(LAYERS)].sum(axis=1) == made.total).all()
    assert (made[list(LAYERS)] >= 0).all(axis=None)  # encoding may be below zero, but is not in these
    packets = capture.packets[capture.packets.session.isin(made.session)].groupby("session")[["header", "size"]].sum()
    assert made.total.to_list() == packets.sum(axis=1).to_list()
    assert set(made.session) == set(capture.messages.session)


def test_one_file_in_every_encoding(recorded: Capture) -> None:
    files = recorded.parts[recorded.parts.filename.notna()]
    assert files.groupby("filename").sha256.nunique().to_dict() == {"plan.png": 1, "prices.csv": 1}
    assert set(files[files.filename == "prices.csv"].encoding) == {
        "base64", "quoted-printable", "8bit", "binary", "uuencode", "binhex", "yenc",
    }  # fmt: skip
    made = costs(recorded).set_index(["files", "encodings"])
    assert made.file.groupby("files").nunique().to_list() == [1, 1]
    adds = made.encoding / made.file
    for name in ("prices.csv", "plan.png"):
        assert adds[name, "binary"] == 0
        assert adds[name, "base64"] == pytest.approx(78 / 57 - 1, abs=0.001)  # 57 octets a line of 76 and CRLF
        assert adds[name, "uuencode"] == pytest.approx(63 / 45 - 1, abs=0.01)  # 45 octets a line of 61 and CRLF
        assert 0 < adds[name, "yenc"] < 0.06
    assert adds["prices.csv", "quoted-printable"] < adds["prices.csv", "base64"]
    assert adds["plan.png", "quoted-printable"] > 1
    assert (recorded.findings.rule != "capture-loss").all()


def test_dearer_encodings_take_longer(recorded: Capture) -> None:
    made = costs(recorded).set_index(["files", "encodings"]).duration
    assert made["plan.png", "binary"] < made["plan.png", "base64"] < made["plan.png", "quoted-printable"]


def test_layers_of_a_small_mail() -> None:
    """Each layer counted by hand."""
    mail = ["Subject: s", "", "hi", "..dot", "begin 644 f", "#86)C", "`", "end", "."]
    capture = heard(*ENVELOPE, *GO, "C: " + "|".join(mail), "S: 250 ok", *QUIT)
    row = costs(capture).iloc[0]
    block = len("begin 644 f\r\n#86)C\r\n`\r\nend\r\n")
    assert (row.file, row.encoding) == (3, block - 3)
    assert row.text == len("hi\r\n.dot\r\n")
    assert row.headers == len("Subject: s\r\n\r\n")
    clear = capture.sessions.client_bytes[0] + capture.sessions.server_bytes[0]
    assert row.protocol == clear - len("Subject: s\r\n\r\nhi\r\n.dot\r\n") - block
    assert row.tcp_ip == 40 * len(capture.packets)
    assert (row.encodings, row.files) == ("uuencode", "f")


def test_files_in_files_count_once() -> None:
    mail = (
        "Content-Type: multipart/mixed; boundary=b||--b|Content-Type: message/rfc822|Content-Disposition: attachment;"
        " filename=a.eml||Content-Type: application/octet-stream; name=x|Content-Transfer-Encoding: base64||YWJj|--b--|."
    )
    row = costs(heard(*ENVELOPE, *GO, f"C: {mail}", "S: 250 ok", *QUIT)).iloc[0]
    assert row[list(LAYERS)].sum() == row.total
    assert row.file in (
        3,
        len("Content-Type: application/octet-stream; name=x\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJj"),
    )


@pytest.mark.slow
def test_the_picture_says_and_counts(recorded: Capture) -> None:
    chart = encodings(recorded)
    assert repr(chart).startswith("Cost of 13 sessions with files: least 1.2")
    assert repr(chart).endswith(" with quoted-printable")
    assert ET.fromstring(chart.svg()).tag.endswith("svg")
    assert chart.frame is not None
    assert (chart.frame[list(LAYERS)].sum(axis=1) == chart.frame.total).all()
    assert ET.fromstring(encodings(recorded, theme="dark").svg()).tag.endswith("svg")


def test_nothing_to_draw_is_a_sentence() -> None:
    assert repr(encodings(heard(*QUIT))) == "no session sent a file"
    with pytest.raises(ValueError, match="'light', 'dark'"):
        encodings(heard(*QUIT), theme="sepia")


def test_hostile_names_are_text() -> None:
    name = hand.HOSTILE.replace("|", "").replace("\n", " ").replace('"', "")
    mail = f'Content-Type: text/x; name="{name}"|Content-Disposition: attachment||hello|.'
    capture = heard(
        *ENVELOPE, *GO, "C> " + mail.replace("|", "\r\n").encode().decode("latin-1") + "\r\n", "S: 250 ok", *QUIT
    )
    chart = encodings(capture)
    assert isinstance(chart.frame, pd.DataFrame)
    assert len(chart.frame) == 1
    svg = chart.svg()
    assert "<img" not in svg
    assert "\u202e" not in svg
    assert "\x1b" not in svg
