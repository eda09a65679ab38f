"""What a turn of an agent costs: statements and commits, which take most of its time."""

import threading
from collections import Counter

import sqlalchemy as sa

from tests.fakes.agent_provider import ScriptedProvider, ToolCall, follow
from tests.harness.agents import ask
from tests.harness.chat_app import ChatApp

UNKNOWN = ToolCall("no_such_tool", {})


def test_turn_with_a_call_takes_few_statements_and_four_commits(chat: ChatApp, provider: ScriptedProvider) -> None:
    counts: list[Counter[str]] = []

    def count(kind: str) -> None:
        if "_read" not in threading.current_thread().name:  # the client's
            counts[-1][kind] += 1

    sa.event.listen(chat.database.engine, "before_cursor_execute", lambda *_: count("statements"))
    sa.event.listen(chat.database.engine, "commit", lambda _: count("commits"))
    for turns in (2, 4):
        counts.append(Counter())
        provider.script = follow(*[[UNKNOWN]] * turns, "Done.")
        reader = ask(chat, message_id=f"m{turns}")
        chat.drain()
        reader.all()
    more = counts[1] - counts[0]
    assert more["commits"] / 2 == 4, "before the model, after it, before the call, after it"
    assert more["statements"] / 2 <= 13
