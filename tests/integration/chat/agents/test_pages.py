"""Pages that an agent builds with Vite: a broken build is mended, a second wish changes the page."""

from collections.abc import Iterator

import pytest

from functions.chat.sandboxes.open_sandbox import can_build_pages
from headwater.config import Settings
from tests.fakes.agent_provider import ScriptedProvider, ToolCall, follow, results
from tests.harness.agents import answer_of, ask, assert_nothing_is_open, close_readers
from tests.harness.chat_app import ChatApp, running_chat_app
from tests.harness.databases import FreshDatabase
from tests.harness.localcloud import Cloud
from tests.harness.paths import ROOT
from tests.harness.support import queue_settings

FRONT_END = ROOT / ".headwater" / "front-end"
FILES = "/api/conversations/c1/files"
BUILD = ToolCall("build_page", {})
INDEX = '<title>Tides</title><div id="root"></div><script type="module" src="src/main.jsx"></script>'


def page(text: str) -> str:
    return (
        f'import {{ createRoot }} from "react-dom/client"\ncreateRoot(document.getElementById("root")).render({text})\n'
    )


def write(path: str, content: str) -> ToolCall:
    return ToolCall("write_file", {"path": path, "content": content})


@pytest.fixture
def chat(cloud: Cloud, database: FreshDatabase, provider: ScriptedProvider) -> Iterator[ChatApp]:
    settings = Settings(database_url="unused", front_end_dir=str(FRONT_END) if FRONT_END.exists() else "")
    if not can_build_pages(settings):
        pytest.skip("needs a sandbox, and the set-up: scripts/setup.py installs the packages")
    changes = queue_settings(cloud.url) | {"chat_model": "openai:fake", "openai_base_url": f"{provider.url}/v1"}
    with running_chat_app(database, **changes, front_end_dir=settings.front_end_dir) as made:
        yield made
        close_readers()


def run(chat: ChatApp, provider: ScriptedProvider, *turns: list[ToolCall], message_id: str = "m1") -> list[str]:
    """Run an agent to its end, and return what its calls returned."""
    provider.script = follow(*turns, "Done.")
    ask(chat, message_id=message_id)
    chat.drain()
    assert_nothing_is_open(chat)
    return results(provider.requests[-1])


def builds(chat: ChatApp) -> list[tuple[str, str]]:
    """Return how the builds of the last answer ended, and the paths of the pages."""
    parts = [part["data"] for part in answer_of(chat)["parts"] if part["type"] == "data-build"]
    return [(data["status"], data["page"]) for data in parts]


def site(chat: ChatApp) -> dict[str, bytes]:
    """Return the files of the built site, by path."""
    paths = [file["path"] for file in chat.client.get(FILES).get_json()["files"]]
    found = [path for path in paths if path.startswith("dist/")]
    return {path: chat.client.get(f"{FILES}/content", query_string={"path": path}).data for path in found}


def test_agent_builds_a_page_mends_it_and_changes_it(chat: ChatApp, provider: ScriptedProvider) -> None:
    told = run(
        chat,
        provider,
        [write("index.html", INDEX), write("src/main.jsx", page("<p>High tide</b>"))],
        [BUILD],
        [write("src/main.jsx", page("<p>High tide</p>"))],
        [BUILD],
    )
    assert told[2].startswith("The build failed.")
    assert "main.jsx:2" in told[2]
    assert told[4].startswith("The build succeeded.")
    assert builds(chat) == [("failed", ""), ("succeeded", "dist/index.html")]
    first = site(chat)
    assert list(first) == ["dist/index.html"]
    assert b"High tide" in first["dist/index.html"]

    told = run(chat, provider, [write("src/main.jsx", page("<p>Low tide</p>"))], [BUILD], message_id="m2")
    assert "Files: " in told[-1]
    second = site(chat)["dist/index.html"]
    assert b"Low tide" in second
    assert b"High tide" not in second


def test_failed_build_keeps_the_last_site(chat: ChatApp, provider: ScriptedProvider) -> None:
    run(chat, provider, [write("page/index.html", "<p>One</p>")], [ToolCall("build_page", {"folder": "page"})])
    paths = {file["path"]: file["version"] for file in chat.client.get(FILES).get_json()["files"]}
    assert paths == {"page/index.html": 1, "page/dist/index.html": 1}
    assert builds(chat) == [("succeeded", "page/dist/index.html")]
    told = run(chat, provider, [ToolCall("build_page", {"folder": "nowhere"})], message_id="m2")
    assert "There is no file index.html" in told[-1]
    assert {file["path"]: file["version"] for file in chat.client.get(FILES).get_json()["files"]} == paths
