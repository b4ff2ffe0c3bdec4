"""One mail from MAIL to the reply that takes it, as a mail client sends it: pipelined where the server offers it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from smtplab.live.replies import Reply
from smtplab.live.steps import Steps
from smtplab.live.verbs import Content, Verbs, octets_of, parameters_of, path


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a mail: the reply to MAIL, one to each RCPT by its path, and `final`, which decided."""

    mail: Reply
    recipients: dict[str, Reply] = field(default_factory=dict)
    final: Reply | None = None

    @property
    def accepted(self) -> bool:
        """Whether the server took the mail, for one recipient at least."""
        if self.final is None or not any(one.positive for one in self.recipients.values()):
            return False
        return any(one.positive for one in self.final.recipients or (self.final,))

    def __bool__(self) -> bool:
        return self.accepted


class Mailing(Verbs):
    """Verbs, and whole mails."""

    def send_mail(
        self,
        /,
        reverse_path: str,
        forward_paths: str | Iterable[str],
        content: Content,
        *,
        pipelining: bool | None = None,
        chunks: int | None = None,
        **parameters: object,
    ) -> Steps[Sent]:
        """One mail: MAIL, RCPT for each recipient, the content; says hello before where nobody did.

        Parameters
        ----------
        reverse_path, forward_paths, content
            Where failures go, who gets it, and what is sent (as `data` takes it).
        pipelining
            MAIL and every RCPT in one go; None does it where PIPELINING is offered.
        chunks
            Send the content with BDAT, in chunks of so many octets; None sends it with DATA.
        parameters
            MAIL's, as `mail` takes them.

        Returns
        -------
        Sent
            Refusals are replies, not errors. After one to MAIL, or to every RCPT, RSET is said and no content is sent.
        """
        if not self.extensions and not any(reply.positive and reply.code == 250 for reply in self.replies):
            hello = yield from self.ehlo()
            if not hello.positive:
                yield from self.helo()
        octets = octets_of(content)
        paths = [forward_paths] if isinstance(forward_paths, str) else list(forward_paths)
        if pipelining is None:
            pipelining = "PIPELINING" in self.extensions
        mail, recipients = yield from self._envelope(reverse_path, paths, parameters, pipelining)
        if not mail.positive or not any(one.positive for one in recipients.values()):
            yield from self.rset()
            return Sent(mail, recipients, None)
        if chunks is None:
            return Sent(mail, recipients, (yield from self.data(octets)))
        final = yield from self._in_chunks(octets, chunks)
        return Sent(mail, recipients, final)

    def _envelope(
        self, reverse_path: str, paths: list[str], parameters: dict[str, Any], pipelining: bool
    ) -> Steps[tuple[Reply, dict[str, Reply]]]:
        if pipelining:
            lines = [
                f"MAIL FROM:{path(reverse_path)}{parameters_of(parameters)}",
                *(f"RCPT TO:{path(one)}" for one in paths),
            ]
            mail, *answers = yield from self.pipeline(lines)
            self._accepted = sum(one.positive for one in answers)
            return mail, dict(zip(paths, answers, strict=True))
        recipients = {}
        mail = yield from self.mail(reverse_path, **parameters)
        for one in paths if mail.positive else []:
            recipients[one] = yield from self.rcpt(one)
        return mail, recipients

    def _in_chunks(self, octets: bytes, size: int) -> Steps[Reply]:
        if size < 1:
            raise ValueError(f"chunks: {size}; expected a number of octets from 1 on")
        for begin in range(0, max(len(octets), 1), size):
            last = begin + size >= len(octets)
            reply = yield from self.bdat(octets[begin : begin + size], last)
            if not reply.positive and not last:
                yield from self.rset()
                return reply
        return reply
