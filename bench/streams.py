"""Measure streamed answers: what is added to the first token, and stalls and memory with many streams.

    python -m bench.streams [--streams N] [--tokens-per-s N] [--seconds N] [--questions N]

The time added to the first token is the time until it arrives, less the provider's own and less that of a search. The
search is measured just before each question, without the time of a request, which `/heartbeat` takes.

One run compares the chat function (without the Worker), FastAPI with LangChain's `astream`, and the provider alone, all
on the same fake provider. Prints the machine's load: figures of a busy machine compare only with each other.
"""

import argparse
import asyncio
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil

from bench.busy_instance import QUESTION, add_document
from bench.cold_start import free_port
from tests.harness.stacks import RunningStack, running_stack, temporary_data, wait_until

STALL_S = 0.25
"""Seconds without a token that count as a stall."""

_TOKEN = re.compile(rb"t(\d{10,})")


@dataclass(frozen=True)
class Target:
    """A server that streams answers. `pid` is that of its process."""

    name: str
    port: int
    path: str
    headers: str
    pid: int

    def request(self, conversation_id: str) -> bytes:
        """Return the bytes of a question."""
        message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": QUESTION}]}
        body = json.dumps({"id": conversation_id, "messages": [message]}).encode()
        head = f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{self.headers}"
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class Answer:
    """One answer as its client saw it, in seconds.

    `stall_s`: the longest time without a token, which began `stalled_at_s` after the question. `delays`: from the
    provider to the client, of each token.
    """

    first_s: float = 0.0
    stall_s: float = 0.0
    stalled_at_s: float = 0.0
    delays: list[float] = field(default_factory=list)


async def read(target: Target, conversation_id: str) -> Answer:
    """Ask a question and read its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    began = time.monotonic()
    writer.write(target.request(conversation_id))
    answer, rest, last = Answer(), b"", 0.0
    while data := await reader.read(65_536):
        now = time.monotonic()
        *lines, rest = (rest + data).split(b"\n")
        sent = [int(each) / 1e9 for line in lines if b"delta" in line for each in _TOKEN.findall(line)]
        if not sent:
            continue
        answer.first_s = answer.first_s or now - began
        if last and now - last > answer.stall_s:
            answer.stall_s, answer.stalled_at_s = now - last, last - began
        answer.delays += [now - at for at in sent]
        last = now
    writer.close()
    return answer


def percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile in milliseconds."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))] * 1000


async def first_tokens(target: Target, count: int) -> list[float]:
    """Ask one question after another; the first ones are not counted."""
    answers = [await read(target, f"{target.name}-first-{n}") for n in range(count + 10)]
    return [answer.first_s for answer in answers[10:]]


def searches_and_first_tokens(client: httpx.Client, target: Target, count: int) -> tuple[list[float], list[float]]:
    """Search, and then ask, one after another. Returns the times of the searches, and to the first tokens."""

    def duration(path: str, **query: str) -> float:
        began = time.monotonic()
        client.get(path, params=query).raise_for_status()
        return time.monotonic() - began

    searches, firsts = [], []
    for n in range(count + 10):
        search = duration("/api/search", q=QUESTION) - duration("/heartbeat")
        answer = asyncio.run(read(target, f"{target.name}-first-{n}"))
        if n >= 10:
            searches.append(search)
            firsts.append(answer.first_s)
    return searches, firsts


def report_first(target: Target, firsts: Sequence[float]) -> None:
    """Print the times to the first token."""
    p50, p99 = percentile(firsts, 0.5), percentile(firsts, 0.99)
    print(f"  {target.name:<12} first token {p50:6.1f} ms p50 {p99:6.1f} ms p99", flush=True)


async def many(target: Target, streams: int, seconds: float) -> tuple[list[Answer], float]:
    """Read answers at once. Returns them, and the server's largest memory in MB."""
    process, peak = psutil.Process(target.pid), 0.0
    tasks = [asyncio.ensure_future(read(target, f"{target.name}-many-{n}")) for n in range(streams)]
    ends = time.monotonic() + seconds + 60
    while not all(task.done() for task in tasks) and time.monotonic() < ends:
        peak = max(peak, process.memory_info().rss / 1e6)
        await asyncio.sleep(0.5)
    return [task.result() for task in tasks if task.done()], peak


def report_many(target: Target, answers: Sequence[Answer], peak: float, tokens: int) -> None:
    """Print stalls, delays and memory."""
    delays = [delay for answer in answers for delay in answer.delays]
    longest = max(answers, key=lambda answer: answer.stall_s)
    stalled = sum(answer.stall_s > STALL_S for answer in answers)
    complete = sum(len(answer.delays) == tokens for answer in answers)
    print(
        f"  {target.name:<12} longest stall {longest.stall_s * 1000:6.0f} ms, {longest.stalled_at_s:.1f} s after the "
        f"question; {stalled} streams over {STALL_S * 1000:.0f} ms  token {percentile(delays, 0.5):6.1f} ms p50 "
        f"{percentile(delays, 0.99):7.1f} ms p99  {peak:5.0f} MB  {complete} complete answers",
        flush=True,
    )


@contextmanager
def started(*arguments: str) -> Iterator[int]:
    """Run a server of `bench.stream_servers` on the port of the arguments; yields its process id."""
    process = subprocess.Popen([sys.executable, "-m", "bench.stream_servers", *arguments])
    try:
        wait_until(lambda: _listens(int(arguments[1])))
        yield process.pid
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int) -> bool:
    try:
        httpx.post(f"http://127.0.0.1:{port}/script", json=[5, 0.0], trust_env=False, timeout=5)
    except httpx.HTTPError:
        return False
    return True


def run(stack: RunningStack, provider: Target, fastapi: Target, options: argparse.Namespace) -> None:
    """Measure and print."""
    [worker] = psutil.Process(stack.pids["chat"]).children()
    headers = f"Authorization: Bearer {stack.token}\r\n"
    chat = Target("Headwater", stack.ports["chat"], "/api/chat", headers, worker.pid)
    targets = [provider, fastapi, chat]
    with httpx.Client(base_url=stack.url, headers=stack.authorization, timeout=60, trust_env=False) as client:
        add_document(client, stack.data / "repository")
    url = f"http://127.0.0.1:{chat.port}"
    with httpx.Client(base_url=url, headers=stack.authorization, timeout=60, trust_env=False) as client:
        print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        print("one question at a time:")
        alone = asyncio.run(first_tokens(provider, options.questions))
        report_first(provider, alone)
        report_first(fastapi, asyncio.run(first_tokens(fastapi, options.questions)))
        searches, firsts = searches_and_first_tokens(client, chat, options.questions)
        report_first(chat, firsts)
        added = [first - search - statistics.median(alone) for search, first in zip(searches, firsts, strict=True)]
        for name, times in (("search", searches), ("added", added)):
            print(
                f"  {name:>24} {percentile(times, 0.5):6.1f} ms p50 {percentile(times, 0.99):6.1f} ms p99", flush=True
            )
    tokens = int(options.seconds * options.tokens_per_s)
    script: list[Any] = [tokens, 1 / options.tokens_per_s]
    httpx.post(f"http://127.0.0.1:{provider.port}/script", json=script, trust_env=False)
    print(f"{options.streams} streams of {options.tokens_per_s:g} tokens a second for {options.seconds:g} s:")
    for target in targets:
        report_many(target, *asyncio.run(many(target, options.streams, options.seconds)), tokens)
    print(f"load of the machine after: {os.getloadavg()[0]:.1f}")


def main() -> None:
    """Start the servers and measure."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.streams", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=100, help="default: 100")
    parser.add_argument("--tokens-per-s", type=float, default=50, help="of each stream; default: 50")
    parser.add_argument("--seconds", type=float, default=20, help="length of a stream; default: 20")
    parser.add_argument("--questions", type=int, default=100, help="asked one after another; default: 100")
    options = parser.parse_args()
    ports = [free_port(), free_port()]
    provider_url = f"http://127.0.0.1:{ports[0]}"
    with (
        started("provider", str(ports[0])) as provider_pid,
        started("fastapi", str(ports[1]), provider_url) as fastapi_pid,
        temporary_data() as data,
    ):
        data.mkdir()
        settings = {"CHAT_MODEL": "openai:fake", "OPENAI_BASE_URL": f"{provider_url}/v1", "CHAT_TIMEOUT_S": "600"}
        settings |= {"LONG_REQUESTS": str(options.streams * 2)}
        (data / ".env").write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items()))
        provider = Target("provider", ports[0], "/v1/chat/completions", "", provider_pid)
        fastapi = Target("FastAPI", ports[1], "/ask", "", fastapi_pid)
        with running_stack(data) as stack:
            run(stack, provider, fastapi, options)


if __name__ == "__main__":
    main()
