"""Measure a chat function's response times while many answers are streaming and many clients are slow.

    python -m bench.busy_instance [--answers N] [--slow N] [--tokens-per-s N] [--seconds N] [--through-worker]

Runs the local stack. Answers stream from a model server on loopback; slow clients send a body byte by byte, and as many
send headers byte by byte. Meanwhile the bench measures other requests, one after another, and how many of the model's
tokens reach the clients.
"""

import argparse
import itertools
import json
import shlex
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.pipeline import Repository
from tests.harness.stacks import RunningStack, running_stack, temporary_data, wait_until

QUESTION = "How do I install the compass?"


class Answers:
    """Clients that ask a question each and read the answer; counts its tokens."""

    def __init__(self, url: str, headers: Mapping[str, str], count: int) -> None:
        self.tokens = [0] * count
        self._url = url
        self._headers = headers
        self._threads = [threading.Thread(target=self._read, args=(n,), daemon=True) for n in range(count)]

    def start(self) -> None:
        """Ask all questions at once."""
        for thread in self._threads:
            thread.start()

    def _read(self, n: int) -> None:
        with (
            httpx.Client(base_url=self._url, headers=self._headers, timeout=60, trust_env=False) as client,
            client.stream("POST", "/api/chat", json=_question(f"answer-{n}")) as response,
        ):
            for line in response.iter_lines():
                if line.startswith("data: {") and (part := json.loads(line[6:]))["type"] == "text-delta":
                    self.tokens[n] += part["delta"].count("token")


def _question(conversation_id: str) -> dict[str, Any]:
    return {
        "id": conversation_id,
        "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": QUESTION}]}],
    }


@contextmanager
def slow_clients(port: int, token: str, count: int) -> Iterator[None]:
    """Open `count` clients with slow bodies and `count` with slow headers. Each sends a byte a second."""
    head = f"POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
    stop = threading.Event()
    with ExitStack() as stack:
        clients = []
        for beginning in (f"{head}Content-Length: 1000\r\n\r\n", f"{head}X-Slow: "):
            for _ in range(count):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
                client.sendall(beginning.encode())
                clients.append(client)

        def drip() -> None:
            while not stop.wait(1):
                for client in clients:
                    try:
                        client.sendall(b" ")
                    except OSError:
                        continue

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def add_document(client: httpx.Client, folder: Path) -> None:
    """Collect a repository with one document."""
    repository = Repository(folder)
    repository.write({"guide.md": "# Guide\n\nInstall the compass with pip.\n"})
    source = client.post("/api/sources", json={"kind": "git", "name": "guide", "config": {"url": repository.url}})
    client.post(f"/api/sources/{source.json()['id']}/collect").raise_for_status()
    wait_until(lambda: client.get("/api/search", params={"q": "compass"}).json()["hits"])


def measure(call: Callable[[], httpx.Response], seconds: float) -> list[float]:
    """Call for some seconds; returns the duration of each call."""
    durations: list[float] = []
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        started = time.perf_counter()
        response = call()
        durations.append(time.perf_counter() - started)
        assert response.status_code < 300, response.text
        time.sleep(0.05)
    return durations


def requests(client: httpx.Client, heartbeat: Callable[[], httpx.Response]) -> dict[str, Callable[[], httpx.Response]]:
    """Return the measured requests by name."""
    numbers = itertools.count()

    def ask() -> httpx.Response:
        """Ask, read until the first token, and stop the answer."""
        conversation_id = f"measured-{next(numbers)}"
        with client.stream("POST", "/api/chat", json=_question(conversation_id)) as response:
            for line in response.iter_lines():
                if "text-delta" in line:
                    break
        return response

    return {
        "/heartbeat": heartbeat,
        "search": lambda: client.get("/api/search", params={"q": "compass"}),
        "list of conversations": lambda: client.get("/api/conversations"),
        "stop": lambda: client.post("/api/chat/answer-0/stop"),
        "first words of an answer": ask,
    }


def report(durations: dict[str, list[float]]) -> None:
    """Print a line for each kind of request."""
    for name, values in durations.items():
        ordered = sorted(values)
        p99 = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
        print(
            f"  {name:<26}{statistics.median(values) * 1000:7.0f} ms median {p99 * 1000:7.0f} ms p99 "
            f"{ordered[-1] * 1000:7.0f} ms maximum  ({len(values)} requests)",
            flush=True,
        )


def usage(stack: RunningStack) -> tuple[float, float]:
    """Return the CPU seconds and the resident MB of the chat function's process."""
    [worker] = psutil.Process(stack.pids["chat"]).children()
    return sum(worker.cpu_times()[:2]), worker.memory_info().rss / 1e6


def run(stack: RunningStack, provider: FakeProvider, options: argparse.Namespace) -> None:
    """Measure the idle and the busy function."""
    chat_port = stack.ports["chat"]
    url, port = (stack.url, stack.base_port) if options.through_worker else (f"http://127.0.0.1:{chat_port}", chat_port)
    headers = stack.authorization
    with (
        httpx.Client(base_url=stack.url, headers=headers, timeout=60) as worker,
        httpx.Client(base_url=url, headers=headers, timeout=60) as client,
        httpx.Client(base_url=f"http://127.0.0.1:{chat_port}", timeout=60) as function,
    ):
        add_document(worker, stack.data / "repository")
        calls = requests(client, lambda: function.get("/heartbeat"))
        provider.pieces, provider.piece_s = ["token "] * 5, 0
        print("idle:")
        report({name: measure(call, 2) for name, call in calls.items() if name != "stop"})
        print(f"  the function used {usage(stack)[1]:.0f} MB")
        lasts_s = options.seconds + 10
        provider.pieces = ["token "] * int(lasts_s * options.tokens_per_s)
        provider.piece_s = 1 / options.tokens_per_s
        answers = Answers(url, headers, options.answers)
        with slow_clients(port, stack.token, options.slow):
            answers.start()
            wait_until(lambda: all(answers.tokens))
            before, started = sum(answers.tokens), time.perf_counter()
            cpu_before, _ = usage(stack)
            print(f"{options.answers} answers, 2 × {options.slow} slow clients:")
            report({name: measure(call, options.seconds / len(calls)) for name, call in calls.items()})
            cpu_s, memory_mb = usage(stack)
            rate = (sum(answers.tokens) - before) / (time.perf_counter() - started) / options.answers
            print(f"  {rate:.1f} of {options.tokens_per_s} tokens a second reached each client")
            cores = (cpu_s - cpu_before) / (time.perf_counter() - started)
            print(f"  the function used {cores:.2f} cores and {memory_mb:.0f} MB")


def main() -> None:
    """Run the stack and measure."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.busy_instance", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--answers", type=int, default=50, help="default: 50")
    parser.add_argument("--slow", type=int, default=64, help="default: 64")
    parser.add_argument("--tokens-per-s", type=float, default=20, help="of each answer; default: 20")
    parser.add_argument("--seconds", type=float, default=30, help="default: 30")
    parser.add_argument("--through-worker", action="store_true", help="send the requests through the Worker")
    options = parser.parse_args()
    with fake_provider() as provider, temporary_data() as data:
        data.mkdir()
        settings = {"CHAT_MODEL": "openai:fake", "OPENAI_BASE_URL": f"{provider.url}/v1", "CHAT_TIMEOUT_S": "600"}
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in settings.items()]
        (data / ".env").write_text("".join(lines))
        with running_stack(data) as stack:
            run(stack, provider, options)


if __name__ == "__main__":
    main()
