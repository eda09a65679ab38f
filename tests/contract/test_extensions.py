"""Extensions installed with pip: used by the function and the job; broken ones affect no others."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from headwater.database.migrations import register_model
from tests.harness.databases import FreshDatabase
from tests.harness.function_server import serve_function
from tests.harness.paths import ROOT
from tests.harness.pipeline import Repository

EXAMPLE = ROOT / "examples" / "extension-hello"
BROKEN = ROOT / "tests" / "data" / "extension-broken"

USE_TOOLS = """
import json, uuid
from headwater.errors import UnprocessableContent
from headwater.extensions.tools import open_tool, tool_names
from headwater.tools import ToolContext

context = ToolContext(
    workspace_id=uuid.UUID(int=1),
    caller="ada",
    settings={"greeting": "Welcome"},
    blob_url="memory:///",
    blob_prefix="tools",
    allow_private=False,
)
tool = open_tool("greet")
output = {
    "names": tool_names(),
    "schema": list(tool.describe().arguments_schema["properties"]),
    "result": tool.run(context, {"name": "Ada"}),
}
try:
    open_tool("translate")
except UnprocessableContent as error:
    output["unknown"] = error.message
print(json.dumps(output))
"""


def install(project: Path, site: Path, scratch: Path) -> None:
    """Install an extension into a folder, offline."""
    copy = scratch / project.name
    shutil.copytree(project, copy)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(site), str(copy)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)


@dataclass(frozen=True)
class Stack:
    """The collection function and the job on one database, with the packages in `site` installed."""

    client: httpx.Client
    environment: dict[str, str]

    def get(self, path: str) -> Any:
        response = self.client.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    def add(self, kind: str, config: dict[str, Any]) -> str:
        response = self.client.post("/api/sources", json={"kind": kind, "name": kind, "config": config})
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    def collect(self, source_id: str) -> Any:
        """Collect a source with the job and return its run."""
        command = [sys.executable, "-m", "functions.job", "collect", "--source", source_id]
        environment = {**os.environ, **self.environment}
        subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=300, check=False)
        [run] = self.get(f"/api/runs?source_id={source_id}&limit=1")["runs"]
        return self.get(f"/api/runs/{run['id']}")

    def documents(self, source_id: str) -> dict[str, Any]:
        listed = self.get(f"/api/documents?source_id={source_id}")["documents"]
        return {each["key"]: self.get(f"/api/documents/{each['id']}") for each in listed}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extensions")
    for project in (EXAMPLE, BROKEN):
        install(project, folder / "site", folder / "scratch")
    return folder / "site"


@pytest.fixture(scope="module")
def settings(module_database: FreshDatabase) -> dict[str, str]:
    register_model(module_database.admin_url, "constant", 384)
    return {
        "DATABASE_URL": module_database.url,
        "DATABASE_ADMIN_URL": module_database.admin_url,
        "EMBEDDING_MODEL": "constant",
        "FETCH_FILE_URLS": "true",
        "MAX_ATTEMPTS": "2",
        "EXTENSION_TIMEOUT_S": "5",
        "PARSE_TIMEOUT_S": "1",
    }


@pytest.fixture(scope="module")
def stack(settings: dict[str, str], site: Path, free_port: Callable[[], int]) -> Iterator[Stack]:
    environment = {**settings, "PYTHONPATH": str(site)}
    with serve_function("collection", free_port(), environment) as client:
        yield Stack(client, environment)


@pytest.fixture
def git_source(stack: Stack, tmp_path: Path) -> str:
    repository = Repository(tmp_path / "repository")
    repository.write({"a.md": "# A\n\nStill collected.\n"})
    return stack.add("git", {"url": repository.url})


def test_example_is_listed_with_its_schema_and_broken_ones_with_the_reason(stack: Stack) -> None:
    answer = stack.get("/api/source-kinds")
    kinds = {kind["kind"]: kind for kind in answer["kinds"]}
    assert {"git", "feed", "site", "hello", "raises", "hangs"} <= set(kinds)
    assert kinds["hello"]["title"] == "Greetings"
    assert kinds["hello"]["config_schema"]["properties"]["names"]["examples"] == [["Ada"]]
    assert kinds["git"]["title"] == "Git repository"
    reasons = {kind["kind"]: kind["reason"] for kind in answer["unavailable"]}
    assert set(reasons) == {"git", "raises-at-import"}
    assert reasons["git"] == "'git' is the name of a built-in kind of source."
    assert "RuntimeError: no such library" in reasons["raises-at-import"]


def test_example_is_collected_by_its_connector_and_parser(stack: Stack) -> None:
    source_id = stack.add("hello", {"names": ["Ada", "Grace"], "greeting": "Good morning"})
    run = stack.collect(source_id)
    assert (run["state"], run["counts"]["added"], run["failures"]) == ("succeeded", 2, [])
    documents = stack.documents(source_id)
    assert set(documents) == {"Ada.hello", "Grace.hello"}
    ada = documents["Ada.hello"]
    assert (ada["title"], ada["text"]) == ("Ada", "# Ada\n\nGood morning, Ada!\n")
    assert (ada["media_type"], ada["front_matter"]) == ("application/x-hello", {"format": "hello"})
    again = stack.collect(source_id)
    assert (again["state"], again["counts"]["unchanged"]) == ("succeeded", 2)


def test_example_tool_is_found_by_its_name_and_runs(site: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-c", USE_TOOLS]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout
    assert json.loads(output) == {
        "names": ["greet"],
        "schema": ["name"],
        "result": {"greeting": "Welcome, Ada!"},
        "unknown": "The tool 'translate' isn't installed. Install the package that adds it.",
    }


def test_config_rejected_by_the_extension_is_not_saved(stack: Stack) -> None:
    for config, reason in (({"names": []}, "at least one name"), ({"name": ["Ada"]}, "unknown field `name`")):
        response = stack.client.post("/api/sources", json={"kind": "hello", "name": "x", "config": config})
        assert response.status_code == 422
        assert reason in response.json()["detail"]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("raises", "The extension headwater-broken (raises) failed in 'list': RuntimeError: the server speaks"),
        ("hangs", "The extension headwater-broken (hangs) did not finish 'list' within 5 s and was stopped."),
    ],
)
def test_failing_connector_is_named_and_other_sources_are_collected(
    stack: Stack, git_source: str, kind: str, reason: str
) -> None:
    run = stack.collect(stack.add(kind, {}))
    assert run["state"] == "failed"
    assert run["error"]["detail"].startswith(reason)
    assert stack.collect(git_source)["state"] == "succeeded"


def test_failing_parser_fails_only_its_files(stack: Stack) -> None:
    source_id = stack.add("raises", {"contents": ["fine", "raises", "hangs", "good"]})
    run = stack.collect(source_id)
    assert (run["state"], run["counts"]["added"], run["counts"]["failed"]) == ("partial", 2, 2)
    reasons = {failure["key"]: failure["reason"] for failure in run["failures"]}
    assert "failed in 'parse': ValueError: not a letter" in reasons["raises.broken"]
    assert reasons["hangs.broken"].startswith("Parsing took longer than 1 s and was stopped.")
    titles = {key: document["title"] for key, document in stack.documents(source_id).items()}
    assert titles["fine.broken"] == "fine"


def test_extension_cannot_replace_a_built_in_parser(stack: Stack, git_source: str) -> None:
    run = stack.collect(git_source)
    assert run["counts"]["added"] == 1
    [warning] = run["warnings"]
    assert warning["reason"] == "the extension headwater-broken was not used: .md has a built-in parser"


def test_uninstalled_extension_fails_only_its_own_runs(
    stack: Stack, settings: dict[str, str], free_port: Callable[[], int], tmp_path: Path
) -> None:
    repository = Repository(tmp_path / "repository")
    repository.write({"a.md": "# A\n"})
    hello, git = stack.add("hello", {"names": ["Ada"]}), stack.add("git", {"url": repository.url})
    assert stack.collect(hello)["state"] == "succeeded"
    with serve_function("collection", free_port(), settings) as client:
        bare = Stack(client, settings)
        run = bare.collect(hello)
        assert run["state"] == "failed"
        assert run["error"]["detail"].startswith("This source needs the extension 'hello', which isn't installed.")
        assert bare.collect(git)["state"] == "succeeded"
        assert set(bare.documents(hello)) == {"Ada.hello"}
        changed = client.patch(f"/api/sources/{hello}", json={"config": {"names": ["Bo"]}})
        assert (changed.status_code, changed.json()["type"]) == (422, "urn:headwater:unprocessable-content")
        assert "isn't installed" in changed.json()["detail"]
        assert client.patch(f"/api/sources/{hello}", json={"name": uuid.uuid4().hex}).status_code == 200


def test_extensions_with_the_same_name_are_both_unavailable(
    settings: dict[str, str], site: Path, free_port: Callable[[], int], tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(EXAMPLE, clone)
    project = clone / "pyproject.toml"
    project.write_text(project.read_text().replace('name = "headwater-hello"', 'name = "headwater-hallo"'))
    install(clone, tmp_path / "site", tmp_path / "scratch")
    environment = {**settings, "PYTHONPATH": os.pathsep.join([str(site), str(tmp_path / "site")])}
    with serve_function("collection", free_port(), environment) as client:
        stack = Stack(client, environment)
        reasons = {kind["kind"]: kind["reason"] for kind in stack.get("/api/source-kinds")["unavailable"]}
        assert "headwater-hello and headwater-hallo both add 'hello'" in reasons["hello"]
        response = client.post("/api/sources", json={"kind": "hello", "name": "x", "config": {"names": ["Ada"]}})
        assert response.status_code == 422
