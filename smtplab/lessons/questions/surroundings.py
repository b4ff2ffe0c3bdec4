"""Questions about what is around the dialogue: encryption, login, time, and many sessions at once."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from smtplab.frames.event import milliseconds, whole, word
from smtplab.frames.session import Session
from smtplab.lessons.question import YES_NO, Found, Question, code_of, commands, key_of, offers


def _after_tls(session: Session) -> Found:
    rows = commands(session, "STARTTLS")
    if not len(rows) or whole(rows["code"].iloc[0]) != 220:
        return None
    seen = bool(session.row["decrypted"]) or (session.commands["command"] > rows["command"].iloc[0]).any()
    return "yes" if seen else "no", "tls"


def _version(session: Session) -> Found:
    version = word(session.row["tls_version"])
    return (version.removeprefix("TLSv"), "tls") if version else None


def _login(column: str) -> Callable[[Session], Found]:
    """A finder of what `sessions` says of the login, shown at its AUTH."""

    def find(session: Session) -> Found:
        rows, said = commands(session, "AUTH"), word(session.row[column])
        return (said, key_of(rows)) if len(rows) and said else None

    return find


def _logged_in(session: Session) -> Found:
    rows, worked = commands(session, "AUTH", "AUTH-RESPONSE"), session.row["auth_ok"]
    if not len(rows) or worked is None or worked is pd.NA:
        return None
    return "yes" if worked else "no", key_of(rows.tail(1), "reply")


def _slowest(session: Session) -> Found:
    rows = session.commands[session.commands["latency"].notna()]
    if not len(rows):
        return None
    row = rows.loc[[rows["latency"].idxmax()]]
    return word(row["verb"].iloc[0]), key_of(row)


def _phase(session: Session) -> Found:
    rows = session.phases
    spent = pd.Series(milliseconds(rows["duration"])).groupby(rows["phase"].astype("str").to_numpy()).sum()
    return (str(spent.idxmax()), "") if len(spent) and spent.max() > 0 else None


def _waited(session: Session) -> Found:
    client, server = (milliseconds(session.phases[f"{side}_time"]) for side in ("client", "server"))
    if not len(client) or pd.isna(client).all() or pd.isna(server).all():
        return None
    return "client" if pd.Series(client).sum() > pd.Series(server).sum() else "server", ""


def _lasted(session: Session) -> Found:
    duration = session.row["duration"]
    return None if pd.isna(duration) else (f"{duration.total_seconds():.3g}", "")


def _long_waits(session: Session) -> pd.DataFrame:
    """The commands of the whole capture whose reply took a second or more, with `server`."""
    capture = session.capture
    rows: pd.DataFrame = capture.commands[capture.commands["latency"] >= pd.Timedelta(1, "s")]
    return rows.assign(server=rows["session"].map(capture.sessions.set_index("session")["server"]).astype("str"))


def _slow_sessions(session: Session) -> Found:
    if not session.capture.commands["latency"].notna().any():
        return None
    return str(_long_waits(session)["session"].nunique()), ""


def _slow_server(session: Session) -> Found:
    waits = _long_waits(session)
    return (str(waits.groupby("server")["session"].nunique().idxmax()), "") if len(waits) else None


def _slow_verb(session: Session) -> Found:
    waits, server = _long_waits(session), _slow_server(session)
    if server is None:
        return None
    return str(waits.loc[waits["server"] == server[0], "verb"].astype("str").value_counts().idxmax()), ""


def _sessions(session: Session) -> Found:
    return str(len(session.capture.sessions)), ""


QUESTIONS = (
    Question("q36", "Does the server offer STARTTLS, yes or no?", "Look for the keyword in the reply to EHLO.",
             "Who can cut this one line out of the reply keeps the mail in clear: hence implicit TLS (RFC 8314 3).",
             lambda session: offers(session, "STARTTLS"), YES_NO),
    Question("q37", "Which code answers STARTTLS?", "The same code as the greeting has.",
             "220 says: ready, begin the handshake now; from then on no line is in clear (RFC 3207 4).", code_of("STARTTLS")),
    Question("q38", "Are there commands to be read after the handshake, yes or no?", "Look below the lock in the ladder.",
             "Without the keys what follows is opaque; all that was said before counts for nothing (RFC 3207 4.2).",
             _after_tls, YES_NO),
    Question("q39", "Which version of TLS did they agree upon?", "The lock's row in the ladder says it.",
             "The client offers versions, the server picks the newest that it knows (RFC 8446 4.1.3).", _version),
    Question("q40", "By which mechanism did the client log in?", "It is the word after AUTH.",
             "PLAIN and LOGIN send the password itself, others a proof that one knows it (RFC 4954 4).", _login("auth_mechanism")),
    Question("q41", "As whom did the client log in?", "`sessions` has it as `auth_identity`.",
             "The name can be read wherever there is no TLS; the password is masked here, on the wire it is not.",
             _login("auth_identity")),
    Question("q42", "Did the login work, yes or no?", "235 is yes, 535 is no.",
             "235 says that the client is known now; a second AUTH would get 503 (RFC 4954 4).", _logged_in, YES_NO),
    Question("q43", "Which command waited longest for its reply?", "Sort `commands` by latency.",
             "The latency runs from the last octet of the command to the first of the reply.", _slowest),
    Question("q44", "In which phase was most of the time spent?", "Sort `phases` by duration, or find the longest band.",
             "A phase lasts from one side's turn to the next; where it is long, someone was waited for.", _phase),
    Question("q45", "Who was waited for longer, client or server?", "Sum `client_time` and `server_time` of `phases`.",
             "What the server took is up to the last octet that the client sent before; the network is in it.",
             _waited, ("client", "server")),
    Question("q46", "How many seconds did the session last?", "It is `duration` in `sessions`; near is good enough.",
             "From the first packet to the last, the connection's own included.", _lasted, near=0.1),
    Question("q47", "How many sessions are in the capture?", "`len(cap)` counts them.",
             "A session is one TCP connection that spoke SMTP, however many mails it carried.", _sessions),
    Question("q48", "In how many sessions did some reply take a second or more?", "The points above 1,000 ms.",
             "One slow reply in a session is enough to make someone wait.", _slow_sessions),
    Question("q49", "Which server has most of the sessions with such a wait?", "Group those sessions by `server`.",
             "One server with many is a fault to be looked for there; many servers with one each is not.", _slow_server),
    Question("q50", "After which verb do these waits come there most often?", "Group that server's long waits by verb.",
             "Each verb makes a server do something else: look up a name, ask a filter, write to a disk.", _slow_verb),
)  # fmt: skip
