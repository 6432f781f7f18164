"""A TCP line between client and server that can be interrupted without notice, like an unplugged cable."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class CutLine:
    """Forwards connections on a loopback port to a server on this machine.

    Args:
        port: Port to listen on.
        target: Port of the server.
    """

    def __init__(self, port: int, target: int) -> None:
        self._port = port
        self._target = target
        self._whole = asyncio.Event()
        self._whole.set()
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)

    def cut(self) -> None:
        """Let nothing pass any more; connections stay open, as their ends do not know."""
        self._whole.clear()

    def mend(self) -> None:
        """Let everything pass again, on new connections."""
        if not self._whole.is_set():
            for line in self._lines:
                line.cancel()
        self._whole.set()

    async def stop(self) -> None:
        """End all connections and listen no more."""
        if self._server is not None:
            self._server.close()
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        assert line is not None
        self._lines.add(line)
        far: asyncio.StreamWriter | None = None
        try:
            await self._whole.wait()
            far_reader, far = await asyncio.open_connection("127.0.0.1", self._target)
            pumps = [asyncio.create_task(self._pump(reader, far)), asyncio.create_task(self._pump(far_reader, writer))]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass  # the server does not listen: the client sees its connection end
        except asyncio.CancelledError:
            pass  # mended or stopped: asyncio's own handler would report it as an error
        finally:
            self._lines.discard(line)
            for end in (writer, far):
                if end is not None:
                    end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if not self._whole.is_set():
                    await asyncio.Event().wait()  # data in transit is lost; the cut ends when the line is restored
                writer.write(data)
                await writer.drain()
