"""Graphs of what authors write."""

import asyncio
from typing import Any, TypedDict

import pytest
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import MessagesState, StateGraph
from langgraph.store.memory import InMemoryStore

from headwater.agents.graphs import compile_graph, first_input, last_answer
from headwater.agents.messages import Turn
from headwater.errors import PermanentError

TURNS = [Turn("user", "Hello"), Turn("assistant", "Hi."), Turn("user", "How are you?")]


class Other(TypedDict):
    other: str


class Asked(TypedDict):
    question: str
    answer: str


def builder(schema: Any, update: dict[str, Any]) -> StateGraph[Any, Any, Any, Any]:
    made: StateGraph[Any, Any, Any, Any] = StateGraph(schema)
    made.add_node("only", lambda _: update)
    made.set_entry_point("only")
    return made


def run(target: Any) -> dict[str, Any]:
    """Run an agent's graph to its end, and return its state."""

    async def answer() -> dict[str, Any]:
        graph = await compile_graph(target, InMemorySaver(), InMemoryStore())
        values: dict[str, Any] = await graph.ainvoke(first_input(graph, TURNS), {"configurable": {"thread_id": "t"}})
        return values

    return asyncio.run(answer())


async def make(config: dict[str, Any]) -> Any:
    return builder(MessagesState, {"messages": [AIMessage("From a function.")]})


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        (builder(MessagesState, {"messages": [AIMessage("Fine.")]}), "Fine."),
        (builder(MessagesState, {"messages": [AIMessage("Fine.")]}).compile(), "Fine."),
        (make, "From a function."),
        (RunnableLambda(lambda given: f"{given['question']} {len(given['chat_history'])}"), "How are you? 2"),
        (
            ChatPromptTemplate.from_template("{input}") | RunnableLambda(lambda prompt: AIMessage(prompt.to_string())),
            "Human: How are you?",
        ),
    ],
    ids=["builder", "compiled", "function", "runnable", "chain"],
)
def test_agent_answers_with_a_message(target: Any, answer: str) -> None:
    assert run(target)["messages"][-1].text == answer


def test_graph_without_messages_gets_the_question() -> None:
    values = run(builder(Asked, {"answer": "Fine."}))
    assert values["question"] == "How are you?"
    assert last_answer(values) == "Fine."


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        (3, "The agent is of the type int, not a LangGraph graph or LangChain runnable."),
        (lambda: "text", "The agent is of the type str, not a LangGraph graph or LangChain runnable."),
        (lambda database: database, "has a parameter 'database'"),
        (
            builder(MessagesState, {}).compile(interrupt_before=["only"]),
            "interrupt_before and interrupt_after aren't supported.",
        ),
        (builder(Other, {}), "has none of the fields messages, question, query and input"),
    ],
    ids=["number", "function of text", "unknown parameter", "interrupt_before", "unknown input"],
)
def test_what_is_no_agent_is_refused(target: Any, problem: str) -> None:
    with pytest.raises(PermanentError, match=problem):
        run(target)
