"""An agent's state beside the messages lasts from answer to answer of a branch, whatever dies."""

from pathlib import Path

from tests.fakes.agent_provider import ScriptedProvider
from tests.harness.agents import answer_of, ask, close_readers
from tests.harness.chat_app import ChatApp, message_text
from tests.harness.kill_switch import Killed, KillSwitch, take_back

VISITS = """
import operator
from dataclasses import dataclass
from typing import Annotated

from langchain_core.messages import AIMessage
from langgraph.graph import MessagesState, StateGraph


@dataclass
class Profile:
    name: str


class State(MessagesState):
    visits: Annotated[list[str], operator.add]
    profile: Profile


def remember(state):
    question = state["messages"][-1].text
    return {"visits": [question], "profile": Profile(state["visits"][0] if state["visits"] else question)}


def say(state):
    return {"messages": [AIMessage(f"{', '.join(state['visits'])}; {state['profile'].name}")]}


graph = StateGraph(State).add_node(remember).add_node(say).set_entry_point("remember").add_edge("remember", "say")
"""


def drain(chat: ChatApp, commits: int = 0) -> None:
    """Run the queue to the end. With `commits`, a step is killed before that commit first."""
    if commits:
        switch = KillSwitch(chat.database, commits)
        try:
            chat.drain()
        except Killed:
            take_back(chat.database)
            chat.rows("update steps set not_before = now() where state = 'ready'")
        finally:
            switch.remove()
    chat.drain()
    close_readers()


def test_state_lasts_on_a_branch(chat: ChatApp, folder: Path, provider: ScriptedProvider) -> None:
    (folder / "visits.py").write_text(VISITS)
    said = []
    for n, commits in enumerate((0, 5), start=1):
        ask(chat, f"q{n}", message_id=f"m{n}", agent="visits")
        drain(chat, commits)
        said.append(message_text(answer_of(chat)))
    first = chat.messages("c1")[1]["id"]
    ask(chat, "q3", message_id="m3", agent="visits", parent_id=first)
    drain(chat)
    said.append(message_text(answer_of(chat)))
    assert said == ["q1; q1", "q1, q2; q1", "q1, q3; q1"]
