"""Upgrade the one container from an earlier commit: its volume and database serve the present image.

    python -m tests.chaos.container_upgrade COMMIT

Both images are laid out by their own commit's harness (`tests/harness/images.py`), with the checkout's packages and its
build of the web app. The earlier container collects a private repository and answers a question. The present one starts
on the same volume and database, migrates, and has to find what was collected, show the conversation, answer, read the
stored token of the repository, and collect what is new. Needs root, as the containers' tests do.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from scripts.local.postgres import Cluster, temporary_cluster
from tests.contract.test_one_container import CLIENT, QUESTION, TOKEN, Installation, Running
from tests.fakes.token_issuer import AUDIENCE, ISSUER, FakeIssuer, fake_issuer
from tests.harness import git_server
from tests.harness.chat_app import parse_events
from tests.harness.databases import cluster_folder
from tests.harness.images import image
from tests.harness.paths import ROOT
from tests.harness.pipeline import Repository
from tests.harness.ports import free_port
from tests.harness.stacks import wait_until

# Runs in the earlier checkout: the container runs until the parent closes standard input.
_RUN = """
import json, sys
from pathlib import Path
from tests.harness.images import image
settings, volume = json.loads(sys.argv[1]), Path(sys.argv[2])
with image("all") as laid_out, laid_out.started(settings, volume=volume) as (process, output):
    sys.stdin.read()
    output.seek(0)
    sys.stdout.buffer.write(output.read())
"""


def check_out(commit: str, folder: Path) -> None:
    """Write a commit's files, and link what is not in Git: Node's packages, the models, the built web app."""
    archive = subprocess.run(["git", "-C", ROOT, "archive", commit], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
    for name in ("edge/node_modules", ".headwater"):
        (folder / name).symlink_to(ROOT / name)
    subprocess.run(["cp", "-r", ROOT / "edge/web/dist", folder / "edge/web/dist"], check=True)


@contextmanager
def running_earlier(checkout: Path, settings: Mapping[str, str], volume: Path, issuer: FakeIssuer) -> Iterator[Running]:
    """Run the container of an earlier checkout until the block ends."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN, json.dumps(dict(settings)), str(volume)],
            cwd=checkout,
            env={"PYTHONPATH": f"{checkout}:{checkout}/shared", "PATH": "/usr/local/bin:/usr/bin:/bin"},
            stdin=subprocess.PIPE,
            stdout=output,
        )
        running = Running(process, output, f"http://127.0.0.1:{settings['PORT']}", issuer)
        try:
            wait_until(lambda: running.is_ready() or process.poll() is not None, 180)
            assert process.poll() is None
            yield running
        finally:
            process.communicate(timeout=60)


def ask(running: Running, conversation: str) -> str:
    """Ask the question in a conversation; returns the answer's text."""
    events = parse_events(running.request("POST", "/api/chat", json={**QUESTION, "id": conversation}).content)
    return "".join(event.part["delta"] for event in events if "delta" in event.part)


def count_added(running: Running, source: str) -> int:
    """Collect a source to its end; returns how many documents were added."""
    run = running.request("POST", f"/api/sources/{source}/collect").json()["run_id"]
    wait_until(lambda: running.get(f"/api/runs/{run}")["state"] != "running", 180)
    summary = running.get(f"/api/runs/{run}")
    assert summary["state"] == "succeeded", summary
    return int(summary["counts"]["added"])


def read_version(postgres: Cluster) -> str:
    """Return the number of the database's last migration."""
    with closing(postgres.connect("one_container")) as connection:
        cursor = connection.cursor()
        cursor.execute("select version_num from headwater.alembic_version")
        return str(cursor.fetchone()[0])


def upgrade(commit: str, folder: Path) -> None:
    """Run the earlier container, then the present one on its data."""
    check_out(commit, checkout := folder / "earlier")
    pages = {f"{n}.md": f"# V{n}\n\nThe valve v{n:03} opens when the water rises.\n" for n in range(70, 90)}
    repository = Repository(folder / "repositories" / "valves")
    repository.write(pages)
    volume = folder / "volume"
    volume.mkdir()
    with (
        cluster_folder() as cluster,
        temporary_cluster(cluster, free_port(), sockets=True) as postgres,
        fake_issuer("ES256") as issuer,
        git_server.serve(folder / "repositories", partial=True, token=TOKEN) as server,
        image("all") as present,
    ):
        postgres.execute("create database one_container")
        settings = {
            "PORT": str(free_port(in_a_row=5)),
            "DATABASE_ADMIN_URL": postgres.url("one_container"),
            "DATABASE_ROLE": "one_container",
            "AUTH_MODE": "jwt",
            "AUTH_ISSUER": ISSUER,
            "AUTH_AUDIENCE": AUDIENCE,
            "AUTH_JWKS_URL": issuer.url,
            "EMBEDDING_MODEL": "constant",
            "FETCH_PRIVATE": "true",
        }
        with running_earlier(checkout, settings, volume, issuer) as running:
            config = {"url": f"{server.url}/valves/.git"}
            new = {"kind": "git", "name": "valves", "config": config, "token": TOKEN}
            source = running.request("POST", "/api/sources", json=new).json()["id"]
            print("earlier: collected", count_added(running, source))
            print("earlier: answered", ask(running, "before"))
        before = read_version(postgres)
        with Installation(present, volume, settings, issuer).started() as running:
            print("migrated from", before, "to", read_version(postgres))
            assert "<html" in CLIENT.get(running.url).text
            hits = running.get("/api/search", q="v077", k=1)["hits"]
            print("present: found", hits[0]["title"])
            conversation = running.get("/api/conversations/before")
            print("present: the conversation has", len(conversation["messages"]), "messages")
            answer = ask(running, "after")
            print("present: answered", answer)
            assert "The valve v077 opens when the water rises" in answer
            assert hits[0]["title"] == "V77"
            repository.write({"new.md": "# New\n\nA new valve.\n"})
            assert count_added(running, source) == 1
            print("present: collected what is new with the stored token")
            running.stop()


def main() -> None:
    """Upgrade from the commit that is named."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory(prefix="headwater-upgrade-") as folder:
        Path(folder).chmod(0o711)
        for name in ("earlier", "repositories"):
            (Path(folder) / name).mkdir()
        upgrade(sys.argv[1], Path(folder))


if __name__ == "__main__":
    main()
