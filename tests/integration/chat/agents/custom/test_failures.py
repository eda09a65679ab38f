"""Agents that can't be used, raise, crash, hang, grow, flood or say nothing: the answer says so, and others go on."""

from collections.abc import Callable

import pytest

from tests.fakes.agent_provider import ScriptedProvider, ToolCall
from tests.harness.agents import answer_of, ask, assert_nothing_is_open
from tests.harness.chat_app import ChatApp, message_text

SOURCES = {
    "broken": "import no_such_package",
    "growing": "bytearray(4 * 1024**3)",
    "crashing": "import os\nos._exit(3)",
    "empty": "",
    "silent": """
from langgraph.errors import GraphInterrupt
from langgraph.graph import MessagesState, StateGraph

def wait(state):
    raise GraphInterrupt(())

agent = StateGraph(MessagesState).add_node(wait).set_entry_point("wait")
""",
}

FLOOD = """
from headwater.agents import chat_model
from langchain_core.messages import AIMessage
from langgraph.config import get_stream_writer
from langgraph.graph import MessagesState, StateGraph

def flood(state):
    write = get_stream_writer()
    for n in range(300):
        write({"text": str(n)})
    write("x" * 30_000)
    return {"messages": [AIMessage("a" * 300_000), *(AIMessage(f"\\0{n}") for n in range(600))]}

def loop(state):
    while True:
        chat_model().invoke("Go on.")

builder = StateGraph(MessagesState).add_node(flood).add_node(loop).set_entry_point("flood")
graph = builder.add_edge("flood", "loop")
"""


HALF_A_MESSAGE = """
import os, sys, time
os.write(int(sys.argv[1]), b"\\0\\0\\1\\0")
time.sleep(3600)
"""

ODD = """
from headwater.agents import chat_model
from headwater.agents.connection import current
from headwater.agents.messages import CallTool, ToolAnswer
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.config import get_stream_writer
from langgraph.graph import MessagesState, StateGraph

def ask(state):
    get_stream_writer()({"n": 2**70, "text": "a\\ud800"})
    call = {"name": "look", "args": {"n": 2**70}, "id": "1"}
    turns = [AIMessage("", tool_calls=[call]), ToolMessage("a\\ud800", tool_call_id="1", artifact=[object()])]
    asked = chat_model().invoke([*state["messages"], *turns])
    refused = current().request(CallTool("sent-by-hand", "delegate", {"task": "Do it."}), ToolAnswer)
    return {"messages": [AIMessage(f"{asked.tool_calls[0]['args']} {refused.is_error} {refused.text}")]}

agent = StateGraph(MessagesState).add_node(ask).set_entry_point("ask")
"""


def notice_of(chat: ChatApp) -> str:
    """Return why the last answer has failed."""
    assert answer_of(chat)["metadata"]["state"] == "failed"
    return str(answer_of(chat)["metadata"]["notice"])


def answer(chat: ChatApp, name: str) -> None:
    """Ask an agent and run its steps, without waiting between attempts."""
    ask(chat, message_id=name, agent=name)
    while chat.drain():
        chat.rows("update steps set not_before = now() where state = 'ready'")


def test_answer_says_why_an_agent_has_failed_and_others_go_on(
    chat: ChatApp, provider: ScriptedProvider, write: Callable[[str, str], None]
) -> None:
    for name, source in SOURCES.items():
        write(name, source)
    reasons = {}
    for name in SOURCES:
        answer(chat, name)
        reasons[name] = notice_of(chat)
    assert "ModuleNotFoundError: No module named 'no_such_package'" in reasons["broken"]
    assert "needed more memory than allowed" in reasons["growing"]
    assert "ended in 'run' (exit code 3)" in reasons["crashing"]
    assert reasons["empty"] == "empty.py doesn't define `agent` or `graph`."

    assert reasons["silent"] == "The agent silent was interrupted without a question to the person."

    ask(chat, message_id="removed", agent="broken")
    chat.rows("""update agents set task = jsonb_set(task, '{agent}', '"removed"')""")
    chat.drain()
    assert notice_of(chat) == "The agent 'removed' isn't installed any more. Choose another one."

    provider.script = lambda _: "Fine."
    ask(chat, message_id="built-in", agent="")
    chat.drain()
    assert message_text(answer_of(chat)) == "Fine."
    assert_nothing_is_open(chat)


@pytest.mark.parametrize("changes", [{"extension_timeout_s": 1.0}], ids=["1 s"])
def test_agent_that_hangs_is_stopped(chat: ChatApp, write: Callable[[str, str], None]) -> None:
    write("hanging", "import time\ntime.sleep(3600)")
    write("half", HALF_A_MESSAGE)
    for name in ("hanging", "half"):
        answer(chat, name)
        assert notice_of(chat) == f"The extension agents/{name}.py ({name}) did nothing for 1 s and was stopped."


def test_values_beyond_messagepack_are_texts_and_no_sub_agent_can_be_called(
    chat: ChatApp, provider: ScriptedProvider, write: Callable[[str, str], None]
) -> None:
    write("odd", ODD)
    provider.script = lambda _: [ToolCall("look", {"n": 2**70})]
    answer(chat, "odd")
    assert answer_of(chat)["metadata"]["state"] == "complete"
    assert message_text(answer_of(chat)).startswith(f"{{'n': '{2**70}'}} True There is no tool 'delegate'.")
    [shown] = [part["data"] for part in answer_of(chat)["parts"] if part["type"] == "data-custom"]
    assert shown == {"n": str(2**70), "text": "a?"}
    assert len(provider.turns) == 1
    assert_nothing_is_open(chat)


@pytest.mark.parametrize("changes", [{"agent_steps": 2}], ids=["2 steps"])
def test_flood_is_cut_and_an_endless_loop_ends_at_a_limit(
    chat: ChatApp, provider: ScriptedProvider, write: Callable[[str, str], None]
) -> None:
    write("flooding", FLOOD)
    provider.script = lambda _: [ToolCall("no_such_tool", {})]
    answer(chat, "flooding")
    parts = answer_of(chat)["parts"]
    assert sum(part["type"] == "data-custom" for part in parts) == 200
    texts = [part["text"] for part in parts if part["type"] == "text"]
    assert len(texts) == 500
    assert "characters left out" in texts[0]
    assert texts[1] == "0"
    assert len(provider.turns) <= 5
    assert answer_of(chat)["metadata"]["state"] == "cut"
    assert "2 steps (AGENT_STEPS)" in answer_of(chat)["metadata"]["notice"]
    assert_nothing_is_open(chat)
