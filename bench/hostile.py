"""Measure the API's response times while hostile files are collected and a hostile Git server drips its answers.

    python -m bench.hostile [--seconds N] [--megabytes N]

Runs the local stack. One source has 190 documents and ten that are made to take a parser long. The server of another
sends a header byte by byte. Meanwhile the bench measures requests, one after another.
"""

import argparse
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import httpx

from bench.busy_instance import measure, report
from tests.harness.adversarial.markdown import MARKDOWN
from tests.harness.git_server import make_repository, serve
from tests.harness.pipeline import Repository
from tests.harness.stacks import RunningStack, running_stack, temporary_data

HOSTILE, GOOD = 10, 190


def add_source(client: httpx.Client, name: str, url: str) -> str:
    """Add a Git source; returns its id."""
    source = client.post("/api/sources", json={"kind": "git", "name": name, "config": {"url": url}})
    return str(source.raise_for_status().json()["id"])


def collect(client: httpx.Client, source_id: str) -> str:
    """Start a run; returns its id."""
    return str(client.post(f"/api/sources/{source_id}/collect").raise_for_status().json()["run_id"])


def write_files(repository: Repository, size: int) -> None:
    """Write good files, and hostile ones of a size in bytes."""
    shapes = list(MARKDOWN.items())
    hostile = [shape(size) for _, shape in shapes[:: len(shapes) // HOSTILE][:HOSTILE]]
    files = {f"good/{n:03}.md": f"# Page {n}\n\nInstall the compass with pip.\n" for n in range(GOOD)}
    repository.write(files | {f"hostile/{n}.md": text for n, text in enumerate(hostile)})


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

    repository = Repository(stack.data / "repository")
    write_files(repository, int(options.megabytes * 1e6))
    make_repository(stack.data / "served" / "r.git", {"a.md": b"# A\n"})
    with (
        serve(stack.data / "served", partial=True) as server,
        httpx.Client(base_url=stack.url, headers=stack.authorization, timeout=60) as client,
    ):
        slow = add_source(client, "slow", f"{server.url}/r.git")
        hostile = add_source(client, "hostile", repository.url)
        calls: dict[str, Callable[[], httpx.Response]] = {
            "list of sources": lambda: client.get("/api/sources"),
            "list of documents": lambda: client.get("/api/documents"),
            "search": lambda: client.get("/api/search", params={"q": "compass"}),
        }
        print("idle:")
        report({name: measure(call, 3) for name, call in calls.items()})
        server.answer = drip
        runs = [collect(client, slow), collect(client, hostile)]
        print("ten hostile files, one hostile server:")
        durations: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(round(options.seconds)):
            for name, call in calls.items():
                durations[name] += measure(call, 1 / len(calls))
        report(durations)
        for run_id in runs:
            summary = client.get(f"/api/runs/{run_id}").json()
            print(f"  run: {summary['state']}, {summary['counts']}")
            client.post(f"/api/runs/{run_id}/cancel")
        stopped.set()


def main() -> None:
    """Run the stack and measure."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.hostile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=40, help="default: 40")
    parser.add_argument("--megabytes", type=float, default=9, help="of each hostile file; default: 9")
    options = parser.parse_args()
    with temporary_data() as data:
        data.mkdir()
        with running_stack(data) as stack:
            run(stack, options)


if __name__ == "__main__":
    main()
