"""Measure cold starts: seconds from process start to the first response.

    python -m bench.cold_start [--rounds N]

Starts functions with gunicorn, as the images do. Requests `/heartbeat` from each function, compared with a bare
functions-framework function in the same round; and `/api/search` from `chat`, which also connects to the database and
loads the embedder.
"""

import argparse
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil

from headwater.database.migrations import register_model, upgrade
from headwater.embedding.registry import DEFAULT
from scripts.local.postgres import temporary_cluster

ROOT = Path(__file__).resolve().parent.parent
BARE = "import functions_framework\n@functions_framework.http\ndef bare(request):\n    return 'ok'\n"


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def first_response(source: Path, target: str, path: str, environment: dict[str, str]) -> tuple[float, float]:
    """Start a function and poll it until it answers 200. Returns the seconds that took, and its resident MB."""
    port = free_port()
    options = ["--config=python:headwater.web.gunicorn_config", f"--bind=127.0.0.1:{port}", "--log-level=warning"]
    application = f"functions_framework:create_app({target!r}, {str(source)!r})"
    started = time.perf_counter()
    command = [sys.executable, "-m", "gunicorn", *options, application]
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        while time.perf_counter() - started < 60:
            try:
                request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
                request.add_header("Authorization", f"Bearer {environment.get('LOCAL_TOKEN')}")
                with urllib.request.urlopen(request, timeout=60):
                    seconds = time.perf_counter() - started
                    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
                    return seconds, sum(member.memory_info().rss for member in family) / 1e6
            except urllib.error.HTTPError as error:
                raise SystemExit(f"{target} {path} answered {error.code}: {error.read().decode()[:500]}") from error
            except OSError:
                time.sleep(0.005)
        raise SystemExit(f"{target} didn't answer within 60 s")
    finally:
        process.terminate()
        process.wait(20)


def main() -> None:
    """Measure in rounds and print medians."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.cold_start", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, temporary_cluster(Path(folder) / "pg", free_port()) as cluster:
        (Path(folder) / "bare.py").write_text(BARE)
        cluster.execute("create database bench")
        url = cluster.url("bench", role="app", password="bench")
        upgrade(cluster.url("bench"), url)
        register_model(cluster.url("bench"), DEFAULT, 384)
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment = {**inherited, "DATABASE_URL": url, "MODEL_DIR": str(ROOT / ".headwater" / "models")}
        environment["LOCAL_TOKEN"] = secrets.token_urlsafe(32)
        measured: dict[str, list[tuple[float, float]]] = {}
        main_of = {name: ROOT / "functions" / name / "main.py" for name in ("chat", "collection", "embedding")}
        requests = [(Path(folder) / "bare.py", "bare", "/heartbeat")]
        requests += [(main_of[name], name, "/heartbeat") for name in main_of]
        requests += [(main_of["chat"], "chat", "/api/search?q=how+do+I+begin")]
        for round_number in range(options.rounds + 1):
            for source, target, path in requests:
                response = first_response(source, target, path, environment)
                if round_number:  # the first round also writes bytecode
                    measured.setdefault(f"{target} {path.partition('?')[0]}", []).append(response)
    bare = statistics.median(seconds for seconds, _ in measured["bare /heartbeat"])
    for label, responses in measured.items():
        seconds = statistics.median(seconds for seconds, _ in responses)
        megabytes = statistics.median(megabytes for _, megabytes in responses)
        print(f"{label:<24}{seconds:6.2f} s  {megabytes:5.0f} MB  {seconds / bare:5.2f} × the bare function")


if __name__ == "__main__":
    main()
