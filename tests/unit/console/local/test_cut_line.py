"""A line that can be cut: nothing passes, nobody is told, and a mended one passes new connections."""

from __future__ import annotations

import asyncio

import pytest

from console.local.cut_line import CutLine
from tests.worlds.devices import free_port


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


async def test_what_is_sent_on_a_cut_line_is_lost_and_its_ends_learn_of_it_when_it_is_mended() -> None:
    near, far = free_port(), free_port()
    line = CutLine(near, far)
    async with await asyncio.start_server(echo, "127.0.0.1", far):
        await line.start()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", near)
            writer.write(b"one")
            assert await asyncio.wait_for(reader.read(10), 10) == b"one"
            line.cut()
            writer.write(b"two")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(10), 0.3)
            line.mend()
            assert await asyncio.wait_for(reader.read(10), 10) == b""
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", near)
            writer.write(b"three")
            assert await asyncio.wait_for(reader.read(10), 10) == b"three"
            writer.close()
        finally:
            await line.stop()


async def test_a_server_that_does_not_listen_ends_the_connection() -> None:
    near = free_port()
    line = CutLine(near, free_port())
    await line.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", near)
        assert await asyncio.wait_for(reader.read(10), 10) == b""
        writer.close()
    finally:
        await line.stop()
