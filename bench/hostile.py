"""Measure the API's response times while hostile files are collected and a hostile Git server drips its answers.

    python -m bench.hostile [--requests N] [--megabytes N]

Runs the local stack. One source has 190 documents and ten that are made to take a parser long. The server of another
sends a header byte by byte. Meanwhile the bench measures requests, one after another. When the ten files are collected,
it adds another source with ten, until it has measured enough requests of each kind.
"""

import argparse
import os
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx

from bench.busy_instance import report
from tests.harness.adversarial.markdown import MARKDOWN
from tests.harness.git_server import make_repository, serve
from tests.harness.pipeline import Repository
from tests.harness.stacks import RunningStack, running_stack, temporary_data, wait_until

HOSTILE, GOOD = 10, 190


def add_source(client: httpx.Client, name: str, url: str) -> str:
    """Add a Git source; returns its id."""
    source = client.post("/api/sources", json={"kind": "git", "name": name, "config": {"url": url}})
    return str(source.raise_for_status().json()["id"])


def collect(client: httpx.Client, source_id: str) -> str:
    """Start a run; returns its id."""
    return str(client.post(f"/api/sources/{source_id}/collect").raise_for_status().json()["run_id"])


def make_files(folder: Path, size: int) -> Repository:
    """Make a repository of good files, and of hostile ones of a size in bytes."""
    repository = Repository(folder)
    shapes = list(MARKDOWN.items())
    hostile = [shape(size) for _, shape in shapes[:: len(shapes) // HOSTILE][:HOSTILE]]
    files = {f"good/{n:03}.md": f"# Page {n}\n\nInstall the compass with pip.\n" for n in range(GOOD)}
    repository.write(files | {f"hostile/{n}.md": text for n, text in enumerate(hostile)})
    return repository


class Measured:
    """Requests that are measured, one after another, and how long each took."""

    def __init__(self, calls: Mapping[str, Callable[[], httpx.Response]]) -> None:
        self.durations: dict[str, list[float]] = {name: [] for name in calls}
        self._calls = calls

    def run(self) -> int:
        """Send one request of each kind; returns how many of each have been sent."""
        for name, call in self._calls.items():
            started = time.perf_counter()
            response = call()
            self.durations[name].append(time.perf_counter() - started)
            assert response.status_code == 200, response.text
            time.sleep(0.01)
        return min(map(len, self.durations.values()))


def run(stack: RunningStack, options: argparse.Namespace) -> None:
    """Measure the API before and during the attack."""
    stopped = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> bool:
        try:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not stopped.wait(0.2):
                handler.wfile.write(b"x")
        except ConnectionError:
            handler.close_connection = True
        return True

    make_repository(stack.data / "served" / "r.git", {"a.md": b"# A\n"})
    with (
        serve(stack.data / "served", partial=True) as server,
        httpx.Client(base_url=stack.url, headers=stack.authorization, timeout=60) as client,
    ):
        slow = add_source(client, "slow", f"{server.url}/r.git")
        calls: dict[str, Callable[[], httpx.Response]] = {
            "list of sources": lambda: client.get("/api/sources"),
            "list of documents": lambda: client.get("/api/documents"),
            "search": lambda: client.get("/api/search", params={"q": "compass"}),
        }
        good = make_files(stack.data / "good", size=10)
        first = collect(client, add_source(client, "good", good.url))
        wait_until(lambda: client.get(f"/api/runs/{first}").json()["state"] != "running")
        print(f"idle (load average {os.getloadavg()[0]:.1f}):")
        idle = Measured(calls)
        while idle.run() < options.requests:
            continue
        report(idle.durations)
        server.answer = drip
        dripping = collect(client, slow)
        print("ten hostile files, one hostile server:")
        busy = Measured(calls)
        rounds = 0
        while min(map(len, busy.durations.values())) < options.requests:
            hostile = make_files(stack.data / f"hostile-{rounds}", int(options.megabytes * 1e6) + rounds)
            run_id = collect(client, add_source(client, f"hostile-{rounds}", hostile.url))
            rounds += 1
            while (summary := client.get(f"/api/runs/{run_id}").json())["state"] == "running":
                for _ in range(10):
                    busy.run()
            print(f"  run: {summary['state']}, {summary['counts']}")
        report(busy.durations)
        assert client.get(f"/api/runs/{dripping}").json()["state"] == "running"
        client.post(f"/api/runs/{dripping}/cancel")
        stopped.set()


def main() -> None:
    """Run the stack and measure."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.hostile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=300, help="of each kind, at least; default: 300")
    parser.add_argument("--megabytes", type=float, default=9, help="of each hostile file; default: 9")
    options = parser.parse_args()
    with temporary_data() as data:
        data.mkdir()
        with running_stack(data) as stack:
            run(stack, options)


if __name__ == "__main__":
    main()
