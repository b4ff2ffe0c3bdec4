"""What sending messages cost: the octets of each session, layer by layer, so that they add up to what was on the wire."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pandas as pd

from smtplab.frames.columns import Integers, Mask

LAYERS = ("file", "encoding", "text", "headers", "protocol", "again", "tcp_ip")


class Frames(Protocol):
    """The frames that are needed."""

    @property
    def sessions(self) -> pd.DataFrame:
        """Each session."""

    @property
    def packets(self) -> pd.DataFrame:
        """Each packet."""

    @property
    def transactions(self) -> pd.DataFrame:
        """Each transaction."""

    @property
    def messages(self) -> pd.DataFrame:
        """Each message."""

    @property
    def parts(self) -> pd.DataFrame:
        """Each part."""


def costs(capture: Frames) -> pd.DataFrame:
    """A row a session that carried messages; all columns of octets are int64, and add up to `total`, without a rest.

    - `file`: what came as files, decoded: attachments, parts with a name, encoded blocks in a text. Of files in a file the outer.
    - `encoding`: what their encodings add: expansion, line ends, lines at begin and end. Below zero where one compresses.
    - `text`: all other parts, as they were sent. `headers`: header fields, boundaries and empty lines of the messages.
    - `protocol`: commands, replies, dots for transparency; what TLS adds. `again`: payload that was carried another time.
    - `tcp_ip`: IP and TCP headers of all packets; link layers are not counted.
    - `total`: the captured packets from the IP header on. What the capture lacks is in no column.

    `encodings` and `files` name what was sent (text, joined by commas), `duration` is the session's, `content` the time from
    DATA or the first BDAT to the end of its transaction, summed (timedelta64[ns]).

    >>> import smtplab
    >>> row = costs(smtplab.open("captures/large-attachment.pcap")).iloc[0]
    >>> int(row["file"]), row["encodings"], bool(row["total"] == row[list(LAYERS)].sum())
    (150000, 'base64', True)
    """
    numbers = np.unique(capture.messages["session"].to_numpy())
    packets = (
        capture.packets[capture.packets["session"].isin(numbers)].groupby("session")[["header", "size", "new"]].sum()
    )
    content = capture.messages.groupby("session")["size"].sum()
    files, texts = _parts(capture.parts)
    of_file = files.groupby("session")[["size", "encoded_size"]].sum()

    def of(values: pd.Series[int]) -> pd.Series[int]:
        return values.reindex(numbers, fill_value=0).astype("int64")

    made = pd.DataFrame(index=pd.Index(numbers, name="session"))
    made["encodings"] = _names(files, "encoding").reindex(numbers)
    made["files"] = _names(files, "filename").reindex(numbers)
    made["file"] = of(of_file["size"])
    made["encoding"] = of(of_file["encoded_size"]) - made["file"]
    made["text"] = of(texts)
    made["headers"] = of(content) - made["file"] - made["encoding"] - made["text"]
    made["protocol"] = of(packets["new"]) - of(content)
    made["again"] = of(packets["size"] - packets["new"])
    made["tcp_ip"] = of(packets["header"])
    made["total"] = of(packets["header"] + packets["size"])
    made["duration"] = capture.sessions.set_index("session")["duration"].reindex(numbers)
    spent = capture.transactions["end"] - capture.transactions["data_start"]
    made["content"] = spent.groupby(capture.transactions["session"]).sum().reindex(numbers)
    return made.reset_index()


def _parts(parts: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series[int]]:
    """The outermost files, and of each session the octets of all other leaves as they were sent."""
    keys = list(zip(parts["session"], parts["transaction"], parts["part"], strict=True))
    parents = [
        None if not isinstance(parent, str) else (session, transaction, parent)
        for session, transaction, parent in zip(parts["session"], parts["transaction"], parts["parent"], strict=True)
    ]
    # Parents come before their parts, so that one pass knows of each part whether it lies in a file.
    is_file = ((parts["disposition"] == "attachment") | parts["filename"].notna()) & parts["size"].notna()
    is_file &= parts["offset"].notna()  # a block in a text that is itself encoded has no octets of its own on the wire
    inside: dict[tuple[int, int, str], bool] = {}
    outer = np.zeros(len(parts), bool)
    composite = {parent for parent in parents if parent is not None}
    for row, (key, parent, file) in enumerate(zip(keys, parents, is_file.tolist(), strict=True)):
        within = parent is not None and inside.get(parent, False)
        outer[row] = file and not within
        inside[key] = within or file
    files = parts[outer]
    in_blocks = _blocks(parts, outer, parents)
    leaf = np.array([key not in composite for key in keys], bool) | (in_blocks > 0)
    lies_in = np.array([parent is not None and inside.get(parent, False) for parent in parents], bool)
    rest = leaf & ~outer & ~lies_in & parts["size"].notna().to_numpy() & parts["offset"].notna().to_numpy()
    octets = parts["encoded_size"].to_numpy() - in_blocks
    return files, pd.Series(octets[rest], dtype="int64").groupby(parts["session"].to_numpy()[rest]).sum()


def _blocks(parts: pd.DataFrame, outer: Mask, parents: list[tuple[int, int, str] | None]) -> Integers:
    """Of each part, how many of its octets are those of encoded blocks in it: parts that declare no type."""
    place = {
        key: row for row, key in enumerate(zip(parts["session"], parts["transaction"], parts["part"], strict=True))
    }
    found = np.zeros(len(parts), np.int64)
    untyped = parts["content_type"].isna().to_numpy()
    sizes = parts["encoded_size"].to_numpy()
    for row in np.flatnonzero(outer & untyped).tolist():
        if (parent := parents[row]) is not None:
            found[place[parent]] += sizes[row]
    return found


def _names(files: pd.DataFrame, column: str) -> pd.Series[str]:
    """Of each session, the different values of a column, joined."""
    named = files[files[column].notna()]
    joined = named.groupby("session")[column].agg(lambda values: ", ".join(dict.fromkeys(map(str, values))))
    return joined.astype("str")
