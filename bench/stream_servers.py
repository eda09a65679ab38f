"""Servers of `bench.streams`: a chat provider in OpenAI's protocol, and FastAPI with LangChain's `astream`.

    python -m bench.stream_servers provider PORT
    python -m bench.stream_servers fastapi PORT PROVIDER_URL

Each token is `t` and the time at which the provider sent it, in nanoseconds of the monotonic clock.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
CHUNK: dict[str, Any] = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "fake"}


class Provider:
    """Streams `count` tokens, `every_s` apart. `POST /script` sets both."""

    def __init__(self) -> None:
        self.count, self.every_s = 5, 0.0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close the connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            body = await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
            writer.write(HEAD)
            if head.startswith("post /script"):
                self.count, self.every_s = json.loads(body)
            else:
                await self._stream(writer)
            await writer.drain()
        writer.close()

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        began = time.monotonic()
        for n in range(self.count):
            await asyncio.sleep(max(0.0, began + n * self.every_s - time.monotonic()))
            writer.write(_event({"content": f"t{time.monotonic_ns()} "}))
            await writer.drain()
        writer.write(_event({}, "stop") + b"data: [DONE]\n\n")


def _event(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: " + json.dumps({**CHUNK, "choices": [choice]}).encode() + b"\n\n"


async def serve_provider(port: int) -> None:
    """Serve the provider."""
    server = await asyncio.start_server(Provider().handle, "127.0.0.1", port, backlog=1000)
    async with server:
        await server.serve_forever()


def serve_fastapi(port: int, provider_url: str) -> None:
    """Serve a question's answer by LangChain's `astream`, as FastAPI's documentation streams."""
    import uvicorn
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    app = FastAPI()
    model = ChatOpenAI(model="fake", base_url=f"{provider_url}/v1", api_key=SecretStr("none"), max_retries=0)

    async def ask() -> StreamingResponse:
        async def events() -> AsyncIterator[str]:
            async for chunk in model.astream("How do I install the compass?"):
                yield f"data: {json.dumps({'delta': chunk.text})}\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    app.post("/ask")(ask)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    if sys.argv[1] == "provider":
        asyncio.run(serve_provider(int(sys.argv[2])))
    else:
        serve_fastapi(int(sys.argv[2]), sys.argv[3])
