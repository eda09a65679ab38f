"""Files of a conversation: agents list, read, write and edit them, once each whatever dies."""

from typing import Any

import sqlalchemy as sa

from headwater.file_store import versions
from headwater.file_store.contents import Contents
from headwater.file_store.places import Place, Quota
from headwater.file_store.versions import NewVersion, Version
from tests.fakes.agent_provider import ScriptedProvider, ToolCall, follow, results
from tests.harness.agents import answer_of, ask, assert_nothing_is_open
from tests.harness.chat_app import ChatApp


def write(path: str, content: str) -> ToolCall:
    return ToolCall("write_file", {"path": path, "content": content})


def read(path: str, **more: Any) -> ToolCall:
    return ToolCall("read_file", {"path": path, **more})


def edit(path: str, old: str, new: str, **more: Any) -> ToolCall:
    return ToolCall("edit_file", {"path": path, "old": old, "new": new, **more})


def run(chat: ChatApp, provider: ScriptedProvider, *turns: list[ToolCall]) -> list[str]:
    """Let the agent make calls. Returns their results."""
    provider.script = follow(*turns, "Done.")
    ask(chat)
    chat.drain()
    assert_nothing_is_open(chat)
    return results(provider.requests[-1])


def attach(chat: ChatApp, name: str, content: bytes, text: str) -> Version:
    """Attach a file as the collection function does, to a conversation that has begun."""
    place = Place(chat.workspace_id, "c1")
    [sha256] = Contents(chat.database, chat.settings).put(place, [content])
    with chat.database.transaction(chat.workspace_id) as tx:
        [added] = versions.add(tx, place, [NewVersion(name, sha256, len(content))], Quota.of(chat.settings))
        values = {"w": chat.workspace_id, "name": name, "text": text, "v": added.id, "bytes": len(content)}
        tx.execute(
            sa.text("""insert into conversation_files (workspace_id, conversation_id, name, media_type, bytes, title,
              text, language, warnings, chunks, version_id)
            values (:w, 'c1', :name, 'application/pdf', :bytes, '', :text, 'en', '[]', 1, :v)"""),
            values,
        )
    return added


def test_agent_writes_edits_reads_and_lists_files(chat: ChatApp, provider: ScriptedProvider) -> None:
    told = run(
        chat,
        provider,
        [write("src/app.py", "a = 1\nb = 1\n"), write("notes.md", "ü")],
        [edit("src/app.py", "a = 1", "a = 2")],
        [
            read("src/app.py", offset=2, limit=5),
            read("src/app.py", version=1),
            ToolCall("list_files", {}),
            ToolCall("list_files", {"folder": "src/"}),
        ],
        [edit("src/app.py", " = ", ": int = ", all=True)],
        [read("src/app.py")],
    )
    assert told[0] == "Files: src/app.py (version 1, 12 bytes)"
    assert told[2] == "Files: src/app.py (version 2, 12 bytes)"
    assert told[3] == "= 2\nb\n\n(Read on at offset 7 of 12.)"
    assert told[4] == "a = 1\nb = 1\n"
    assert told[5] == "notes.md (2 bytes, version 1)\nsrc/app.py (12 bytes, version 2)"
    assert told[6] == "src/app.py (12 bytes, version 2)"
    assert told[8] == "a: int = 2\nb: int = 1\n"
    [(message_id,)] = chat.rows("select distinct message_id from file_versions")
    assert str(message_id) == answer_of(chat)["id"]


def test_mistakes_are_told(chat: ChatApp, provider: ScriptedProvider) -> None:
    told = run(
        chat,
        provider,
        [write("a.txt", "one one"), write("../../etc/passwd", "x"), write("/tmp/x", "x"), write("a\\b", "x")],
        [edit("a.txt", "one", "two"), edit("a.txt", "three", "two"), edit("b.txt", "a", "b"), write("a.txt/b", "x")],
        [read("b.txt"), read("../a.txt"), read("a.txt", version=7), read("a.txt", offset=9), write("a.txt", "one one")],
    )
    assert all("path" in text or "character" in text for text in told[1:4]), told[1:4]
    assert "2 times" in told[4]
    assert "doesn't contain this text" in told[5]
    assert told[6] == told[8] == "File not found: 'b.txt'."
    assert "below another file" in told[7]
    assert told[9] == "File not found: '../a.txt'."
    assert told[10] == "File not found: version 7 of 'a.txt'."
    assert told[11] == "(The file has only 7 characters.)"
    assert told[12] == "No file has changed: they have this content already."
    assert chat.rows("select path, version from file_versions") == [("a.txt", 1)]


def test_agent_reads_attached_files_as_they_were_parsed(chat: ChatApp, provider: ScriptedProvider) -> None:
    chat.ask("c1", "Hello?")
    attach(chat, "report.pdf", b"%PDF \x00\xff", "# Report\n\nSales rose.")
    attach(chat, "old.pdf", b"%PDF", "An old one.")
    chat.rows("update conversation_files set version_id = null where name = 'old.pdf'")  # attached by an older version
    chat.rows("delete from file_versions where path = 'old.pdf'")
    told = run(
        chat,
        provider,
        [ToolCall("list_files", {}), read("report.pdf"), read("old.pdf"), edit("report.pdf", "Sales", "Costs")],
        [write("report.pdf", "Replaced.")],
        [read("report.pdf"), read("report.pdf", version=1), ToolCall("list_files", {})],
    )
    assert told[0] == (
        "old.pdf (4 bytes, text only, attached by the person)\nreport.pdf (7 bytes, version 1, attached by the person)"
    )
    assert told[1] == told[6] == "# Report\n\nSales rose."
    assert told[2] == "An old one."
    assert "not UTF-8 text" in told[3]
    assert told[5] == "Replaced."
    assert told[7].splitlines()[1] == "report.pdf (9 bytes, version 2)"


def test_binary_file_is_told_and_control_characters_are_removed(chat: ChatApp, provider: ScriptedProvider) -> None:
    chat.ask("c1", "Hello?")
    for path, content in (("a.bin", b"\x00\x01" * 50_000), ("b.txt", b"a\x1b[31mred\xe2\x80\xae")):
        attach(chat, path, content, "")
    chat.rows("delete from conversation_files")
    told = run(chat, provider, [read("a.bin"), read("b.txt")])
    assert told == ["a.bin is not a text file: it has 100,000 bytes of binary data.", "a[31mred"]


def test_quota_is_an_error_for_the_model(chat: ChatApp, provider: ScriptedProvider) -> None:
    object.__setattr__(chat.settings, "max_file_store_bytes", 10)
    told = run(chat, provider, [write("a.txt", "123456")], [write("b.txt", "abcdef")], [write("c.txt", "abc")])
    assert "MAX_FILE_STORE_BYTES" in told[1]
    assert chat.rows("select path from file_versions order by path") == [("a.txt",), ("c.txt",)]


def test_two_edits_of_one_file_at_once_lose_neither(chat: ChatApp, provider: ScriptedProvider) -> None:
    told = run(
        chat,
        provider,
        [write("a.txt", "one two")],
        [edit("a.txt", "one", "1"), edit("a.txt", "two", "2")],
        [read("a.txt")],
    )
    refused = [text for text in told if "has changed since it was read" in text]
    assert told[-1] == "1 2" if not refused else told[-1] in ("1 two", "one 2")


def test_conversation_that_is_deleted_while_a_file_is_written_ends_the_agent(
    chat: ChatApp, provider: ScriptedProvider
) -> None:
    def delete(_: object) -> list[ToolCall]:
        assert chat.client.delete("/api/conversations/c1").status_code == 204
        return [write("a.txt", "one")]

    provider.script = delete
    ask(chat)
    chat.drain()
    assert_nothing_is_open(chat)
    assert chat.rows("select count(*) from file_versions") == [(0,)]
