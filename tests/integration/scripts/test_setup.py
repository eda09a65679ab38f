"""npm installs the locked packages of a project from registries of several kinds."""

import base64
import hashlib
import io
import json
import os
import signal
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from scripts import setup
from scripts.progress import Progress
from scripts.setup import SetupError, install_web_packages


def archive() -> bytes:
    """Return the archive of the package `compass`."""
    content = b'{"name": "compass", "version": "1.0.0"}'
    member = tarfile.TarInfo("package/package.json")
    member.size = len(content)
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w:gz") as tar:
            tar.addfile(member, io.BytesIO(content))
        return file.getvalue()


ARCHIVE = archive()
INTEGRITY = f"sha512-{base64.b64encode(hashlib.sha512(ARCHIVE).digest()).decode()}"


class Registry(ThreadingHTTPServer):
    """A registry with one package, whose archive is at `place`."""

    place = "/compass/-/compass-1.0.0.tgz"
    interrupts = False
    """Whether the first request ends npm, as Ctrl-C does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.requests: list[str] = []

    def body(self, path: str) -> bytes | None:
        """Return what is at a path."""
        self.requests.append(path)
        if self.interrupts:
            [npm] = [child for child in psutil.Process().children() if "npm ci" in " ".join(child.cmdline())]
            npm.send_signal(signal.SIGINT)
        if path == self.place:
            return ARCHIVE
        distribution = {"tarball": self.url + self.place, "integrity": INTEGRITY}
        release = {"name": "compass", "version": "1.0.0", "dist": distribution}
        listing = {"name": "compass", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": release}}
        return json.dumps(listing).encode() if path == "/compass" else None


class Answer(BaseHTTPRequestHandler):
    """A reply of the registry."""

    server: Registry

    def do_GET(self) -> None:
        body = self.server.body(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry, and a project in `edge` that needs its package."""
    edge = tmp_path / "edge"
    edge.mkdir()
    for name, value in (("EDGE", edge), ("STATE", tmp_path / "state"), ("NODE_MODULES", edge / "node_modules")):
        monkeypatch.setattr(setup, name, value)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_noproxy", "127.0.0.1")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with Registry() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("npm_config_registry", f"{server.url}/")
        project = {"name": "app", "version": "1.0.0", "dependencies": {"compass": "1.0.0"}}
        packages = {"": project, "node_modules/compass": {"version": "1.0.0", "integrity": INTEGRITY}}
        lock = {"name": "app", "version": "1.0.0", "lockfileVersion": 3, "requires": True, "packages": packages}
        (edge / "package.json").write_text(json.dumps(project))
        (edge / "package-lock.json").write_text(json.dumps(lock))
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("is_link", [False, True])
def test_packages_replace_earlier_ones(registry: Registry, tmp_path: Path, is_link: bool) -> None:
    earlier, modules = tmp_path / "earlier", tmp_path / "edge" / "node_modules"
    earlier.mkdir()
    (earlier / "old").touch()
    modules.symlink_to(earlier) if is_link else earlier.rename(modules)
    install_web_packages(Progress("web packages"))
    assert [name for name in os.listdir(modules) if not name.startswith(".")] == ["compass"]
    assert not modules.is_symlink()
    assert (earlier / "old").exists() == is_link, "the folder of a link is another checkout's"
    assert not (tmp_path / "state" / "web-packages").exists()
    assert registry.requests == [Registry.place], "no list of releases"


def test_registry_may_have_archives_elsewhere(registry: Registry, tmp_path: Path) -> None:
    registry.place = "/files/compass.tgz"
    install_web_packages(Progress("web packages"))
    assert (tmp_path / "edge" / "node_modules" / "compass" / "package.json").exists()
    assert registry.requests == [Registry.place, "/compass", "/files/compass.tgz"]


def test_no_second_installation_begins_after_ctrl_c(registry: Registry) -> None:
    registry.interrupts = True
    with pytest.raises(SetupError, match="This command failed"):
        install_web_packages(Progress("web packages"))
    assert len(registry.requests) == 1
