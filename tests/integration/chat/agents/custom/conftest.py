"""A chat function with agents in a folder: the example, and those that tests write there."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headwater.extensions import discovery
from tests.fakes.agent_provider import ScriptedProvider
from tests.harness.agents import close_readers
from tests.harness.chat_app import ChatApp, running_chat_app
from tests.harness.databases import FreshDatabase
from tests.harness.localcloud import Cloud
from tests.harness.paths import ROOT
from tests.harness.support import queue_settings

EXAMPLE = ROOT / "examples" / "agent-support" / "agent_support.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder `agents/`."""
    made = tmp_path / "agents"
    made.mkdir()
    return made


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example as a package, which pip has installed."""
    site, project = tmp_path / "site", tmp_path / "project"
    shutil.copytree(EXAMPLE.parent, project)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--no-compile"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(site), str(project)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    monkeypatch.syspath_prepend(str(site))
    discovery.installed.cache_clear()
    yield
    discovery.installed.cache_clear()


@pytest.fixture
def changes() -> dict[str, object]:
    """Settings of the function that a module changes."""
    return {}


@pytest.fixture
def chat(
    cloud: Cloud, database: FreshDatabase, provider: ScriptedProvider, folder: Path, changes: dict[str, object]
) -> Iterator[ChatApp]:
    settings = queue_settings(cloud.url) | {"chat_model": "openai:fake", "openai_base_url": f"{provider.url}/v1"}
    with running_chat_app(database, **{**settings, "agents_dir": str(folder), **changes}) as made:
        made.add_document("guides/refunds.md", "Refunds take three days.", title="Refunds")
        yield made
        close_readers()


@pytest.fixture
def write(folder: Path) -> Callable[[str, str], None]:
    """Write an agent's file."""

    def write(name: str, source: str) -> None:
        (folder / f"{name}.py").write_text(source)

    return write
