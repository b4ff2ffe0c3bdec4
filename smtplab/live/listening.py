"""A socket of scapy's that listens on one interface: it records packets as they are, without taking them apart.

On Linux the kernel's own time stamps are read, in nanoseconds, where scapy would make floating-point numbers of them; and of a
loopback's packets, which are seen once going out and once coming in, the second is kept.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import sys
import threading
from typing import Any

from scapy.config import conf
from scapy.data import ARPHRD_TO_DLT
from scapy.error import Scapy_Exception
from scapy.interfaces import resolve_iface
from scapy.layers import l2  # noqa: F401 - tells scapy what interfaces there are

from smtplab.capture.framing import ETHERNET, RAW
from smtplab.errors import ConversationError
from smtplab.live.clock import now
from smtplab.live.recording import Recording

SETCAP = "sudo setcap cap_net_raw,cap_net_admin+eip"
ROOM = 1 << 18  # octets: a loopback's packets may be larger than 65535
BUFFER = 64 << 20  # octets that may wait in the kernel, where it lets us have so many
MOST_AT_ONCE = 1000  # packets, before other interfaces are looked at
BURST = 1 << 20  # packets that are taken when it ends, for more may come as long as one likes

ARPHRD_LOOPBACK = 772
DLT_RAW = 12  # libpcap's, which in files is RAW
SOL_PACKET, PACKET_STATISTICS, PACKET_AUXDATA = 263, 6, 8
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35
# struct tpacket_auxdata: status, length on the wire, captured length, MAC and network offsets, VLAN tag, VLAN protocol
AUXDATA = struct.Struct("=IIIHHHH")
VLAN_VALID, VLAN_TPID_VALID = 1 << 4, 1 << 6
VLAN = 0x8100
ANCILLARY = socket.CMSG_SPACE(64) * 2 if hasattr(socket, "CMSG_SPACE") else 0


def no_rights(interface: str) -> ConversationError:
    """What to do where there are no rights."""
    python = os.path.realpath(sys.executable)
    return ConversationError(
        "cannot be listened on: that takes the right to see raw packets. Run as root, or give this Python the right once:"
        f" {SETCAP} {python}; or let tcpdump listen: sudo tcpdump -i {interface} -w mail.pcap port 25",
        peer=interface,
    )


def not_listening(interface: str, error: OSError) -> ConversationError:
    """Why an interface cannot be listened on."""
    if error.errno in (errno.EPERM, errno.EACCES):
        return no_rights(interface)
    return ConversationError(
        f"cannot be listened on: {os.strerror(error.errno) if error.errno else error}", peer=interface
    )


def listening(interface: str, expression: str, recording: Recording, *, promiscuous: bool) -> Any:
    """A socket that listens already; ConversationError without the rights, ValueError for a filter that is none."""
    base: Any = resolve_iface(interface).l2listen()
    kind = _OnLinux if sys.platform == "linux" else _Elsewhere
    made = type("Listening", (kind, base), {})
    try:
        return made(interface, expression, recording, promiscuous)
    except OSError as error:
        raise not_listening(interface, error) from None
    except (Scapy_Exception, ImportError) as error:
        said = str(error).removeprefix("Cannot set filter: ")
        if "libpcap" in said:
            raise ConversationError("libpcap is not there, which makes filters: install it", peer=interface) from None
        raise ValueError(f"filter: {expression!r}: {said}") from None


class _Elsewhere:
    """Any system that scapy can listen on."""

    packets = 0

    def __init__(self, interface: str, expression: str, recording: Recording, promiscuous: bool) -> None:
        super().__init__(iface=interface, filter=expression, promisc=promiscuous)  # type: ignore[call-arg]
        self._recording = recording
        number = conf.l2types.layer2num.get(getattr(self, "LL", None), ETHERNET)
        self._link = RAW if number == DLT_RAW else number

    def recv(self, *_: Any, **__: Any) -> None:
        """Record what has come; scapy gets nothing to take apart."""
        _, octets, time = self.recv_raw()  # type: ignore[attr-defined]
        if octets:
            self.packets += 1
            self._recording.packet(now() if time is None else round(float(time) * 1e9), self._link, octets)

    def drain(self) -> None:
        """Nothing: it is not known how much waits."""

    def dropped(self) -> int:
        """Not known."""
        return 0


class _OnLinux(_Elsewhere):
    """Linux' packet sockets."""

    ins: socket.socket

    def __init__(self, interface: str, expression: str, recording: Recording, promiscuous: bool) -> None:
        super().__init__(interface, expression, recording, promiscuous)
        hardware = self.ins.getsockname()[3]
        number = ARPHRD_TO_DLT.get(hardware, ETHERNET)
        self._link = RAW if number in (DLT_RAW, RAW) else number
        self._taking = threading.Lock()  # the sniffer's thread takes packets, and whoever wants to see them now
        self._loopback = hardware == ARPHRD_LOOPBACK
        self._dropped = 0
        try:
            self.ins.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        except OSError:  # no rights: as much as everyone gets
            self.ins.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self.ins.setblocking(False)
        self.dropped()  # of every interface, before scapy had bound the socket to one: the kernel counts from 0 when asked
        self._dropped = 0

    def recv(self, *_: Any, **__: Any) -> None:
        """Record what has come."""
        with self._taking:
            self._take(MOST_AT_ONCE)

    def drain(self) -> None:
        """Record what still waits in the kernel."""
        with contextlib.suppress(OSError, EOFError), self._taking:
            self._take(BURST)

    def _take(self, most: int) -> None:
        for _ in range(most):
            try:
                octets, ancillary, _, address = self.ins.recvmsg(ROOM, ANCILLARY)
            except BlockingIOError:
                return
            except OSError:
                raise EOFError from None  # the interface went down, or away
            if self._loopback and address[2] == socket.PACKET_OUTGOING:
                continue
            time, length, tag = _told(ancillary)
            if tag:
                octets = octets[:12] + tag + octets[12:]
                length += len(tag)
            self.packets += 1
            self._recording.packet(time or now(), self._link, octets, max(length, len(octets)))

    def dropped(self) -> int:
        """How many packets the kernel dropped so far."""
        with contextlib.suppress(OSError):
            self._dropped += struct.unpack("II", self.ins.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
        return self._dropped


def _told(ancillary: list[tuple[int, int, bytes]]) -> tuple[int, int, bytes]:
    """What the kernel says of a packet: its time in nanoseconds, octets on the wire, and the VLAN tag that it took out."""
    time, length, tag = 0, 0, b""
    for level, kind, data in ancillary:
        if level == SOL_PACKET and kind == PACKET_AUXDATA and len(data) >= AUXDATA.size:
            status, length, _, _, _, vlan, protocol = AUXDATA.unpack_from(data)
            if vlan or status & VLAN_VALID:
                tag = struct.pack(">HH", protocol if status & VLAN_TPID_VALID else VLAN, vlan)
        elif level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) == 16:
            seconds, nanoseconds = struct.unpack("qq", data)
            time = seconds * 10**9 + nanoseconds
    return time, length, tag
