"""An MCP server of the official package on loopback, in a process of its own: `python -m tests.fakes.mcp_server`.

Its port is the first line that it prints. Its tools: `add`, `echo`, `fail`, and `picture`, whose result is no text.
"""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.harness.paths import ROOT


def main() -> None:
    """Serve until the process is ended."""
    import uvicorn
    from mcp.server.mcpserver import Image, MCPServer

    server = MCPServer("fake")

    @server.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @server.tool()
    def echo(text: str) -> str:
        """Return the text."""
        return text

    @server.tool()
    def fail() -> str:
        """Fail."""
        raise ValueError("It has failed.")

    @server.tool()
    def picture() -> Image:
        """Return a picture."""
        return Image(data=b"\x89PNG", format="png")

    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(server.streamable_http_app(), log_level="warning")).run([listening])


@contextmanager
def official_server() -> Iterator[str]:
    """Run the server until the block ends. Yields its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.mcp_server"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/mcp"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    main()
