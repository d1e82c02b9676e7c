"""A proxy in front of an API server that misbehaves when told to.

    bad_proxy.py PORT UPSTREAM_HOST:PORT PKI_FOLDER

Takes TLS with PKI_FOLDER/proxy.crt, talks TLS to the API server as PKI_FOLDER/admin.crt, so that
it sees and may damage each byte in between. A line on stdin sets the mode and ends the connections
that there are; "ok" is the answer:

    pass            what comes is passed on
    drop            connections end at once
    hold            connections are taken, and nothing ever comes
    mute            the request gets through, its answer does not (half-open)
    cut N           each answer ends after N bytes of its connection
    dribble         answers come byte by byte
    answer FILE     each request gets these bytes
"""

import asyncio
import contextlib
import pathlib
import ssl
import sys

PIECE = 65536


class Proxy:
    """All connections, and what is done to them."""

    def __init__(self, upstream, pki):
        self.host, _, port = upstream.rpartition(":")
        self.port = int(port)
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(pki / "proxy.crt", pki / "proxy.key")
        self.client = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self.client.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self.mode, self.given = "pass", ""
        self.open = set()

    def set_mode(self, line):
        """What the next connections get; those that there are end."""
        self.mode, _, self.given = line.partition(" ")
        for task in list(self.open):
            task.cancel()

    async def serve(self, reader, writer):
        """One connection, to its end."""
        task = asyncio.current_task()
        self.open.add(task)
        try:
            await self.treat(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open.discard(task)
            writer.transport.abort()

    async def treat(self, reader, writer):
        """As the mode of this moment says."""
        if self.mode == "drop":
            return
        if self.mode == "hold":
            await asyncio.Event().wait()
        if self.mode == "answer":
            answer = pathlib.Path(self.given).read_bytes()
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answer)
                await writer.drain()
        await self.forward(reader, writer)

    async def forward(self, reader, writer):
        """Both directions, until either ends."""
        up_reader, up_writer = await asyncio.open_connection(self.host, self.port,
                                                             ssl=self.client)
        ways = {asyncio.ensure_future(copy(reader, up_writer)),
                asyncio.ensure_future(self.back(up_reader, writer))}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            up_writer.transport.abort()
            await asyncio.gather(*ways, return_exceptions=True)

    async def back(self, reader, writer):
        """The answers: where the damage is done."""
        left = int(self.given) if self.mode == "cut" else None
        while data := await reader.read(PIECE):
            if self.mode == "mute":
                continue
            if left is not None:
                data, left = data[:left], left - len(data)
            step = 1 if self.mode == "dribble" else len(data)
            for at in range(0, len(data), max(step, 1)):
                writer.write(data[at:at + step])
                await writer.drain()
            if left is not None and left <= 0:
                writer.close()  # an end without a word, in the midst of an answer
                await writer.wait_closed()
                return


async def copy(reader, writer):
    """All bytes, as they come."""
    while data := await reader.read(PIECE):
        writer.write(data)
        await writer.drain()


async def main(port, upstream, pki):
    """Serves until stdin ends."""
    proxy = Proxy(upstream, pathlib.Path(pki))
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", int(port), ssl=proxy.server)
    print("ok", flush=True)
    while line := (await lines.readline()).decode().strip():
        proxy.set_mode(line)
        print("ok", flush=True)
    server.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:]))
