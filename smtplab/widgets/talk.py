"""`Talk`: a session driven by hand: a line to type, buttons for what may come next, and pictures that grow with each reply."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets
import traitlets

from smtplab.charts.states import states
from smtplab.errors import ConversationError
from smtplab.frames.exchange import exchange
from smtplab.frames.walk import CONNECT, walk
from smtplab.frames.words import counted
from smtplab.live.client import Client
from smtplab.live.replies import Reply
from smtplab.live.verbs import octets_of
from smtplab.printable import one_line
from smtplab.smtp.states import CLOSED, CONTENT, GREETED, IN_ORDER, MAIL, RCPT, READY, REFUSED
from smtplab.smtp.transparency import stuffed
from smtplab.smtp.verbs import HELLOS
from smtplab.widgets.by_hand import Pictures
from smtplab.widgets.still import Bundle, beside

REPLY = 160  # characters of a reply that are said below the line
# What the buttons offer, in the usual order; of verbs that may come in many states only where they help.
OFFERED: dict[str, tuple[str, ...]] = {
    GREETED: ("EHLO", "HELO", "QUIT"),
    READY: ("MAIL", "STARTTLS", "VRFY", "NOOP", "QUIT"),
    MAIL: ("RCPT", "RSET", "QUIT"),
    REFUSED: ("MAIL", "EHLO", "RSET", "QUIT"),
    RCPT: ("RCPT", "DATA", "RSET", "QUIT"),
    CONTENT: (".",),
}
CONTENT_BEGINS = "From: pat@example.net\nTo: sam@example.org\nSubject: By hand\n\nHello!"


class Talk(widgets.VBox):  # type: ignore[misc]
    """What `client.interact()` gives: `say` says a line, as the field and the buttons do; `state` is where the session stands.

    >>> import smtplab
    >>> with smtplab.serve() as server, smtplab.connect(*server.address, name="pat.example.net") as client:
    ...     talk = client.interact()
    ...     reply = talk.say("EHLO pat.example.net")
    ...     talk.state, talk.offers
    ('ready', ['MAIL FROM:<pat@example.net>', 'NOOP', 'QUIT'])
    """

    state = traitlets.Unicode(CONNECT, help="the state of the session, as the table of states names it")

    def __init__(
        self, client: Client, *, reverse_path: str = "pat@example.net", forward_path: str = "sam@example.org"
    ) -> None:
        """Talks with `client`; the buttons' lines name these two mailboxes."""
        self.client = client
        self.reverse_path, self.forward_path = reverse_path, forward_path
        self.line = _field(widgets.Text, "client says", placeholder="a command, such as NOOP; Enter says it")
        self.line.on_msg(lambda _, said, __: self._typed() if said.get("event") == "submit" else None)
        send = widgets.Button(description="say it", tooltip="say the line, and wait for the reply")
        send.on_click(lambda _: self._typed())
        self.content = _field(widgets.Textarea, "content", value=CONTENT_BEGINS, rows=6)
        self.content.layout.flex = "0 0 auto"  # it stands in a column: there, a share would be of the height
        self.buttons, self.note = widgets.HBox(), widgets.Label()
        self.note.add_class("smtplab-note")
        self._pictures = Pictures()
        self.views = self._pictures.views
        self._typing = widgets.HBox([self.line, send])
        for tools in (self.buttons, self._typing):
            tools.add_class("smtplab-tools")
        super().__init__([self.buttons, self._typing, self.content, self.note, self._pictures])
        self.add_class("smtplab-by-hand")
        self._grow()
        greeting = client.greeting
        self._say(str(greeting) if greeting is not None else "the server has said nothing yet")

    @property
    def session(self) -> Any:
        """The session so far, or None where nothing was said that is SMTP."""
        capture = self.client.capture
        return capture.session(len(capture) - 1) if len(capture) else None

    @property
    def offers(self) -> list[str]:
        """The lines of the buttons: what may come next, by the table of states and what the server offered."""
        return [self._line_of(verb) for verb in self._verbs()]

    def say(self, line: str) -> str:
        """Say a line, or the lone dot with the content before it; gives the reply as the server wrote it, or why none came."""
        wrong = False
        try:
            if self.state == CONTENT and line != ".":
                self.client.send(stuffed(octets_of(line) or b"\r\n"))
                reply: Reply | str = "a line of the content, which nobody answers before the lone dot"
            elif self.state == CONTENT:
                self.client.send(stuffed(octets_of(self.content.value)))
                reply = self.client.command(".")
            elif line.strip().upper() == "STARTTLS":
                reply = self.client.starttls()
            elif line.split(" ")[0].upper() in HELLOS:
                verb, _, name = line.partition(" ")
                reply = getattr(self.client, verb.lower())(name)
            elif line.strip().upper() == "QUIT":
                reply = self.client.quit()
            else:
                reply = self.client.command(line)
            said, wrong = str(reply), isinstance(reply, Reply) and not reply.positive
        except (ConversationError, ValueError) as error:
            said, wrong = str(error), True
        self._grow()
        self._say(said, wrong=wrong)
        return said

    def _verbs(self) -> list[str]:
        if not self.client.open:
            return []
        known = {"STARTTLS", "VRFY"}
        return [
            verb
            for verb in OFFERED.get(self.state, ())
            if verb == "." or (verb in IN_ORDER[self.state] and (verb not in known or verb in self.client.extensions))
        ]

    def _line_of(self, verb: str) -> str:
        paths = {
            "MAIL": f" FROM:<{self.reverse_path}>",
            "RCPT": f" TO:<{self.forward_path}>",
            "VRFY": f" {self.forward_path}",
        }
        return verb + (f" {self.client.name}" if verb in HELLOS else paths.get(verb, ""))

    def _typed(self) -> None:
        line, self.line.value = self.line.value, ""
        self.say(line)

    def _pressed(self, button: Any) -> None:
        self.say(button.tooltip)

    def _say(self, text: str, *, wrong: bool = False) -> None:
        self.note.value = one_line(text, REPLY)
        (self.note.add_class if wrong else self.note.remove_class)("smtplab-wrong")

    def _grow(self) -> None:
        """Draw what was said so far, and offer what may come next."""
        session = self.session
        steps = walk(exchange(session)) if session is not None else []
        self.state = steps[-1].after if steps else CONNECT
        if not self.client.open:
            self.state = CLOSED
        self.content.layout.display = "" if self.state == CONTENT else "none"
        self._typing.layout.display = "" if self.client.open else "none"
        made = []
        for line in self.offers:
            button = widgets.Button(
                description="say the content, and ." if line == "." else line.split(" ")[0],
                tooltip=line,
                layout={"width": "auto", "min_width": "110px"},
            )
            button.on_click(self._pressed)
            made.append(button)
        self.buttons.children = made
        if session is not None:
            self._pictures.show(session)

    def __repr__(self) -> str:
        capture = self.client.capture
        return f"Talk: {counted(len(capture.commands), 'command')} said, state {self.state}"

    def _repr_mimebundle_(self, **options: Any) -> Bundle:
        """The widget, and beside it the session's way through the states, for where no widget can run."""
        session = self.session
        return beside(super()._repr_mimebundle_(**options), repr(self), None if session is None else states(session))


def _field(kind: Any, description: str, **options: Any) -> Any:
    return kind(
        description=description, style={"description_width": "initial"}, layout={"width": "auto", "flex": "1 1 320px"},
        **options,
    )  # fmt: skip


def talk(client: Client, **options: Any) -> Talk:
    """The widget that drives a client by hand."""
    return Talk(client, **options)
