"""The fields of segments and streams: numbers for the kernels that write such rows, and for everyone who reads them."""

from __future__ import annotations

# Fields of a segment. Streams are 2 * session for the client's, 2 * session + 1 for the server's.
STREAM, PACKET, OFFSET, POS, LENGTH, FOLLOWING, ACKED, REASON = range(8)
SEGMENT_FIELDS = 8
# POS is -1 in a hole. FOLLOWING is the next segment of the stream, -1 none yet. ACKED: octets of the peer's stream that the sender
# had seen, -1 unknown. REASON, of a hole: LOST or SNAPLEN; UNREAD where the octets were captured, and no key opens them. A hole
# in what was under TLS may have room for more octets than it had: GUESSED is added to its reason then.
LOST, SNAPLEN, UNREAD = 0, 1, 2
GUESSED = 4

# Fields of a stream.
BASE, REACHED, HEAD, TAIL, HELD, HIGH, NEWEST, MISSING, MUTE, FINISHED, CONFIRMED, OLDEST = range(12)
STREAM_FIELDS = 12
# BASE: sequence number of offset 0. REACHED: octets handed over. HEAD, TAIL, HELD: held pieces. HIGH: end of the highest octet
# captured. OLDEST, NEWEST: first and last segment, -1 none. FINISHED: offset of the FIN, -1 none.
# CONFIRMED: octets that the peer acknowledged.
