"""A player's steps taken on a socket: all of them with asyncio, or up to the next one with a socket that waits."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TypeVar

from smtplab.errors import ConversationError
from smtplab.live.allowed import Resolved
from smtplab.live.async_client import line_to
from smtplab.live.line import Line
from smtplab.replay.exchanging import Before, Play
from smtplab.replay.player import Player

S = TypeVar("S")


async def play(player: Player, addresses: list[Resolved], timeout: float, door: asyncio.Semaphore) -> None:
    """Play to the end on a connection of its own; what goes wrong with the server stands in `played.stopped`.

    Only so many may be at the `door`, connecting and waiting for the greeting: a server that accepts more slowly than it is
    connected to forgets some (their last ACK finds its queue full), and they would wait for a greeting that never comes.
    """
    talk, outside = player.talk, False
    await door.acquire()
    try:
        try:
            line = await line_to(talk, addresses, timeout)
        except ConversationError as error:
            player.failed(error)
            return
        steps = player.run()
        answer: bool | ConversationError | None = None
        try:
            while (step := told(steps, answer)) is not None:
                if isinstance(step, Before):
                    if not outside:
                        door.release()
                        outside = True
                    answer = True
                    continue
                try:
                    answer = await line.take(step)
                except ConversationError as error:
                    answer = error
        finally:
            if talk.open:
                line.hang_now()
    finally:
        if not outside:
            door.release()


def play_until(steps: Play, line: Line, answer: bool | ConversationError | None) -> Before | None:
    """Take steps up to the next `Before`; None where all were taken."""
    while (step := told(steps, answer)) is not None:
        if isinstance(step, Before):
            return step
        try:
            answer = line.take(step)
        except ConversationError as error:
            answer = error
    return None


def told(steps: Generator[S, bool, None], answer: bool | ConversationError | None) -> S | None:
    """Tell the generator what came of its last step, None at its beginning; gives the next one, None where there is none."""
    try:
        if isinstance(answer, ConversationError):
            return steps.throw(answer)
        return next(steps) if answer is None else steps.send(answer)
    except StopIteration:
        return None
