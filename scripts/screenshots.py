"""Take the README's screenshots of the real app: the command behind `scripts/screenshots`."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.checks.system_tools import program
from scripts.local.first_source import QUESTION, Api, add_first_source
from scripts.local.postgres import Cluster
from scripts.local.stack import HOST, OFFSETS, ROOT
from scripts.setup import node

IMAGES = ROOT / "docs" / "images"
NAMES = ("chat", "sources")
MAX_BYTES = 250_000
STOP_TIMEOUT_S = 30


class ScreenshotError(Exception):
    """The screenshots cannot be taken; the message says what to do."""


@contextmanager
def temporary_stack(folder: Path) -> Iterator[Api]:
    """Run a stack with the built-in models and an empty workspace; yields its API."""
    command = [sys.executable, "-m", "scripts.local.dev", "--empty", f"--port={_free_ports()}", f"--data={folder}"]
    command += ["--model=extractive", "--embedding-model=all-MiniLM-L6-v2"]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"AUTH_MODE": "local"}, stdout=subprocess.PIPE, text=True
    ) as stack:
        try:
            lines = iter(stack.stdout or ())
            url = next((line.split()[1] for line in lines if line.startswith("ready ")), None)
            if url is None:
                raise ScreenshotError("The stack doesn't start. Its lines above say why.")
            base, _, token = url.partition("/#token=")
            yield Api(base, token)
        finally:
            stack.send_signal(signal.SIGINT)
            stack.communicate(timeout=STOP_TIMEOUT_S)
            Cluster(folder / "pg", port=0).destroy()  # if we are root, it is in another folder


def _free_ports() -> int:
    """Return the first of as many free consecutive ports as a stack needs."""
    while True:
        with socket.socket() as first:
            first.bind((HOST, 0))
            port = int(first.getsockname()[1])
        if all(_is_free(port + offset) for offset in OFFSETS.values()):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError):
            return False
    return True


@contextmanager
def short_path(folder: Path) -> Iterator[Path]:
    """Link to the checkout from /tmp/headwater, or from `folder` if that exists. The sources page shows the path."""
    link = Path(tempfile.gettempdir()) / "headwater"
    if link.exists() or link.is_symlink():
        link = folder / "headwater"
    link.symlink_to(ROOT)
    try:
        yield link
    finally:
        link.unlink()


def take(browser: str, api: Api, folder: Path) -> None:
    """Take the screenshots of a running stack whose first source is collected."""
    script = ROOT / "edge" / "scripts" / "screenshots.mjs"
    environment = os.environ | {"CHROMIUM": browser, "LOCAL_TOKEN": api.token}
    if subprocess.run([node(), script, api.url, folder, QUESTION], env=environment, check=False).returncode:
        raise ScreenshotError("The screenshots could not be taken. The lines above say why.")
    for name in NAMES:
        size = (folder / f"{name}.png").stat().st_size
        if size > MAX_BYTES:
            raise ScreenshotError(f"{name}.png has {size:,} bytes. Images in the README have at most {MAX_BYTES:,}.")


def main() -> None:
    """Start a stack, collect the docs, and take the screenshots."""
    browser = program("chromium")
    if browser is None:
        raise ScreenshotError("Chromium is not installed. Install chromium (Debian: apt-get install chromium).")
    with tempfile.TemporaryDirectory(prefix="headwater-screenshots-") as name:
        folder = Path(name)
        with temporary_stack(folder / "data") as api, short_path(folder) as checkout:
            asyncio.run(add_first_source(api, checkout, say=print))
            IMAGES.mkdir(exist_ok=True)
            take(browser, api, IMAGES)
    print(*(f"{(IMAGES / name).relative_to(ROOT)}.png" for name in NAMES), sep="\n")


if __name__ == "__main__":
    try:
        main()
    except ScreenshotError as error:
        sys.exit(f"scripts/screenshots: {error}")
