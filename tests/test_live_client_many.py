"""Clients side by side, cancelled and forgotten ones: each leaves nothing behind, and takes no reply that is not its own."""

from __future__ import annotations

import asyncio

import pytest
from both_clients import GREETING
from peers import peer, says, until_gone

import smtplab
from smtplab.live import aconnect
from smtplab.live.client import connect
from smtplab.live.recording import Recording

pytestmark = pytest.mark.usefixtures("nothing_stays")


def test_several_clients_in_one_recording() -> None:
    recording = Recording()
    with smtplab.serve() as server:
        clients = [connect(*server.address, recording=recording) for _ in range(3)]
        for client in clients:
            client.quit()
    assert recording.capture.sessions.outcome.to_list() == ["quit"] * 3


def test_forgotten_clients_are_closed() -> None:
    with smtplab.serve() as server:
        client = connect(*server.address)
        del client


def test_a_cancelled_task_closes_its_connection() -> None:
    async def main(address: tuple[str, int]) -> None:
        async def talk() -> None:
            async with await aconnect(*address) as client:
                await client.ehlo("a")

        task: asyncio.Task[None] = asyncio.create_task(talk())
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with peer(says(GREETING, b"", then=until_gone)) as address:
        asyncio.run(main(address))


@pytest.mark.slow
def test_a_reply_nobody_waited_for_is_not_the_next_commands() -> None:
    async def main() -> None:
        with smtplab.serve(faults=["other delay=0.3", "data delay=0.3"]) as server:
            async with await aconnect(*server.address, timeout=5) as client:
                await client.ehlo()
                for _ in range(2):
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(client.noop(), 0.05)
                assert (await client.pipeline(["FOO", "RSET"]))[0].code == 500
                await client.mail("a@example.org")
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(client.command("VRFY a"), 0.05)
                assert (await client.rcpt("b@example.org")).enhanced_code == "2.1.5"
                reply = await client.data("Subject: x")
                assert "queued" in reply.text
                assert reply.latency is not None
                assert (await client.quit()).code == 221
            assert client.capture.commands.code.to_list() == [reply.code for reply in client.replies[1:]]

    asyncio.run(main())


def test_many_at_once() -> None:
    async def one(address: tuple[str, int], recording: Recording) -> bool:
        async with await aconnect(*address, recording=recording) as client:
            sent = await client.send_mail("a@example.net", "b@example.org", "Hi\n")
            await client.quit()
            return bool(sent)

    async def main(address: tuple[str, int], recording: Recording) -> list[bool]:
        return await asyncio.gather(*(one(address, recording) for _ in range(50)))

    recording = Recording()
    with smtplab.serve() as server:
        assert all(asyncio.run(main(server.address, recording)))
    assert recording.capture.transactions.outcome.eq("accepted").sum() == 50
