"""What the machine carries from segment to segment: one row a session, one row an unanswered command; and what it writes.

The numbers below are field numbers for the kernels. State changes in the kernels of `written`, `content`,
`chunks`, `command_lines`, `client`, `server` and `machine` only.
"""

from __future__ import annotations

# --- one row a session
MODE = 0  # what the client's next octets are: one of the modes below
CLIENT_SEGMENT, CLIENT_USED = 1, 2  # where the client is read on: a segment (-1 none yet), octets of it read
SERVER_USED = 3  # octets read of the server's segment at hand
# the client's open line
LINE_SEGMENT, LINE_POS, LINE_LENGTH = 4, 5, 6  # first octet's place; octets so far
WORD_HIGH, WORD_LOW, WORD_LENGTH, WORD_DONE = 7, 8, 9, 10  # first word, upper case, packed as in `verbs.packed`
ARGUMENT_STATE, ARGUMENT_NUMBER = 11, 12  # of a BDAT: how far its argument is read; its size
LINE_BEFORE, LINE_BEFORE_THAT = 13, 14  # the last octet read, and the one before it
LINE_ODDITIES = 15
# open content
DOT_STATE = 16  # the automaton that looks for the lone dot
CONTENT_SEGMENT, CONTENT_POS = 17, 18  # first octet's place, -1 none yet
CONTENT_RAW, CONTENT_STUFFED = 19, 20  # octets so far (a gap not counted), dots to be taken away
CONTENT_ODDITIES = 21
ODD_SEGMENT, ODD_POS, ODD_RAW, ODD_STUFFED, ODD_END = (
    22,
    23,
    24,
    25,
    26,
)  # behind the first lone dot with other line ends; behind a gap in the content, or behind a dot that follows it at once
# open chunk
CHUNK_LEFT, CHUNK_SIZE, CHUNK_LAST, CHUNK_SEEN = 27, 28, 29, 30
CHUNK_SEGMENT, CHUNK_POS = 31, 32
# AUTH and TLS
LOOSE_ANSWERS = 33  # AUTH went unanswered: lines that are no verb are taken for its responses
TLS_DUE = 34  # STARTTLS was accepted: a TLS record may begin
CLIENT_TLS, SERVER_TLS = 35, 36  # offsets where TLS begins in the two streams, -1 nowhere
# unanswered commands and due replies
QUEUE_HEAD, QUEUE_TAIL = 37, 38
LMTP, RECIPIENTS = (
    39,
    40,
)  # 1 LHLO accepted, 2 the hello may be lost, 3 another; recipients accepted, -1 unknown
LOST = 41  # 1: octets were lost that may have been commands or replies: replies are paired only where they say themselves what
# they answer, until a client that waits for replies goes on; see ALL_SEEN and STREAMS
CLIENT_ACKED = 42  # octets of the server's stream that the client had seen when it sent what is being read
# the server's open reply
REPLY_SEGMENT, REPLY_POS, REPLY_LENGTH, REPLY_LINES, REPLY_CODE = 43, 44, 45, 46, 47
REPLY_ACKED = 48  # octets of the client's stream that the server had seen at its first octet, -1 unknown
REPLY_COLUMN, REPLY_DIGITS, REPLY_SEPARATOR = 49, 50, 51  # of its open line
REPLY_BEFORE = 52
REPLY_ODDITIES = 53
REPLY_SKIPS = 54  # behind a gap: 1 a line may begin, 2 this one's beginning is lost, 3 a segment ended within its code
# counters
COMMANDS, REPLIES = 55, 56
MUTE_SERVER = 57  # no octet of the server was captured
BEGINS = 58  # the server's stream was captured from its beginning
ODD_MARK = 59  # octets of that dot's line
GAP_BEFORE = 60  # octets of the client are missing between the last command and the next
SERVER_LOST = (
    61  # end of the server's last gap, and of the line it cut: who had not seen so far may be answered inside it
)
REREAD = 62  # octets read again because a reply ended content at an odd dot before them
REPLY_TAIL, TAIL_ACKED = 63, 64  # code of a multi-line reply that a gap broke (0 none), and its REPLY_ACKED
# who speaks which role, and where SMTP begins
SWAPPED = 65  # 1: an accepted TURN or ATRN has made a client of the TCP server
TURNING = 66  # 1: such a reply was read just now
UNGREETED = 67  # 1: the next reply may be a greeting, for the roles have swapped or a tunnel was opened
TUNNEL = 68  # 1: the client's first line is HTTP's CONNECT; 2: it was answered by a line without a code
CLIENT_BEGIN, SERVER_BEGIN = 69, 70  # offsets at which each side's SMTP, or its TLS, begins
PREAMBLE_LEFT = 71  # of a PROXY header: octets still to come, as far as known; -1: what looked like one was none
# behind gaps
HAD_GAP = 72  # octets of either side were missing
UNSURE = 73  # behind a gap: 1 whether the client's octets are lines is not known yet, 2 they seem to be none, 3 a line begins
UNSURE_ACKED = 74  # octets of the server's stream that the client had seen when it sent them, -1 unknown
STRAY = 75  # lines without a verb since the gap
SEEN_BEFORE = 76  # octets of the server's stream that the client had seen before the gap
ASSUMED = 77  # 1: no 354 was captured, the client went on; whether it sends content, the next reply will say
REPLY_BEHIND = 78  # 1: the open reply follows a gap at once, and may be the rest of one that began in it
SERVER_GONE = 79  # as SERVER_LOST, of gaps that are whole packets
ALL_SEEN = 80  # end of the first reply whose sender had seen all that the client has said, or of a gap that may hide it; 0 none
STREAMS = 81  # 1: the client was seen to go on before it had all replies to what it had said
QUEUED = 82  # unanswered commands
SHORTEST = 83  # octets of the shortest final reply of one line so far, 0 none
STATE_FIELDS = 84

# --- modes
COMMAND, WAIT, CONTENT, CHUNK, ANSWER, TLS, PREAMBLE = range(7)

# --- one row an unanswered command; row 0 heads the list of free rows and counts those ever used
Q_VERB, Q_NUMBER, Q_END, Q_NEXT, Q_DUE, Q_ACKED = range(6)
QUEUE_FIELDS = 6
# Q_END: octets of the client's stream up to the command's end. Q_DUE: replies still to come, 0 before the first, -1 one in any
# case. Q_ACKED: as CLIENT_ACKED when it was sent.

# --- the rows written, lines as places: nothing is copied
# of both kinds
SESSION, NUMBER, VERB = 0, 1, 2
FIRST_SEGMENT, FIRST_POS, LAST_SEGMENT = 3, 4, 5  # place of the first octet, segment of the last
OCTETS = 6  # of the line with its end; BDAT's with its chunk, DATA-END's with the content
AT = 7  # of a command: octets of its stream up to its end; of a reply: commands before it
ODDITIES = 8
LATEST = 9  # the latest packet that carried octets of it; filled when the rows are sorted
# of a reply
CODE, LINES, ANSWERS = 10, 11, 12  # code (-1 none), lines, command answered (-1 none)
EARLIEST = 13  # the packet with its first octet, -1 where that was not captured; filled when the rows are sorted
REPLY_FIELDS = 14
# of a command
WORD = 13  # octets of the first word
BODY_SEGMENT, BODY_POS, BODY_RAW, BODY_STUFFED = 14, 15, 16, 17  # content or chunk: place, octets as sent, stuffed dots
LAST = 18  # BDAT or BURL LAST
DECLARED = 19  # BDAT's size, -1 invalid; of a binary PROXY header, the octets behind its first 16
COMMAND_FIELDS = 20
KIND = 20
ROW_FIELDS = 21

# kinds of rows
COMMAND_ROW, REPLY_ROW, OPEN_CONTENT_ROW = 0, 1, 2

# --- oddities, bits that rules read so that they need not read the octets again
BARE_LF = 1  # a line ended by LF alone (RFC 5321 2.3.8)
BARE_CR = 2  # a CR that no LF follows
CRCRLF = 4
NUL = 8
EIGHT_BIT = 16
TOO_LONG = 32  # over 512 octets with CRLF (RFC 5321 4.5.3.1.4, .5); AUTH's lines over 12288 (RFC 4954 4)
ODD_DOT = 64  # content has a lone dot with other line ends than CRLF, or was ended by one
GAP = 128  # octets of it are missing
UNFINISHED = 256  # it had not ended when the capture or the stream did
MIXED_CODES = 512  # a multi-line reply whose lines have different codes (RFC 5321 4.2.1)
BEHIND_GAP = 2048  # of a command: octets of the client before it are missing; of a reply: it may have begun in a gap
REALIGNED = (
    4096  # of a reply: it says what it answers, and passed over commands that had none, or whose octets are missing
)
NOT_STUFFED = 1024  # a content line began with a dot that transparency would have doubled (RFC 5321 4.5.2)

LONGEST_LINE = 512
LONGEST_TEXT_LINE = 1000  # octets with CRLF, the stuffed dot not counted (RFC 5321 4.5.3.1.6)
LONGEST_AUTH_LINE = 12288
