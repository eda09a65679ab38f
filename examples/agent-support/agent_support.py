"""A support agent: an ordinary LangGraph app with a state, two nodes, a tool and an interrupt.

Headwater calls `build` with the workspace's model and tools. On a terminal:
`python agent_support.py openai:gpt-5-mini`.
"""

import operator
import sys
from collections.abc import Sequence
from typing import Annotated, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import SystemMessage, ToolMessage
from langchain_core.tools import BaseTool, tool
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, interrupt

ORDERS = {"1001": ("Compass", 30), "1002": ("Map of the river", 12)}

INSTRUCTIONS = SystemMessage(
    "You help customers of a shop for hikers. Look orders up before you speak about them. Refund an order only if the "
    "customer asks for it. Cite what you have from documents, as in [1]."
)


class State(MessagesState):
    """The conversation, and the orders that were refunded."""

    refunded: Annotated[list[str], operator.add]


@tool
def find_order(number: str) -> str:
    """Look up an order by its number."""
    if number not in ORDERS:
        return f"There is no order {number}."
    article, price = ORDERS[number]
    return f"Order {number}: {article}, {price} euros, delivered."


def refund_order(number: str) -> None:
    """Refund an order. A person of the shop has to agree."""
    # The model is told of this function. The node `refund` does what it says.


def build(model: BaseChatModel, tools: Sequence[BaseTool] = ()) -> StateGraph:
    """Return the graph's builder: the model calls tools until it has an answer."""
    called = ToolNode([find_order, *tools])
    can_call = model.bind_tools([find_order, refund_order, *tools])

    def answer(state: State) -> dict[str, Any]:
        return {"messages": [can_call.invoke([INSTRUCTIONS, *state["messages"]])]}

    def refund(state: State) -> dict[str, Any]:
        call = state["messages"][-1].tool_calls[0]
        number = call["args"]["number"]
        agreed = interrupt({"question": f"Refund order {number}?", "choices": ["yes", "no"]}) == "yes"
        get_stream_writer()({"text": f"Order {number} {'is refunded' if agreed else 'is not refunded'}."})
        result = f"Refunded {number}." if agreed else "The shop has not agreed."
        message = ToolMessage(result, tool_call_id=call["id"], name=call["name"])
        return {"messages": [message], "refunded": [number] if agreed else []}

    def after_answer(state: State) -> str:
        calls = state["messages"][-1].tool_calls
        return END if not calls else "refund" if calls[0]["name"] == "refund_order" else "tools"

    builder = StateGraph(State)
    builder.add_node(answer)
    builder.add_node(refund)
    builder.add_node("tools", called)
    builder.add_edge(START, "answer")
    builder.add_conditional_edges("answer", after_answer, ["refund", "tools", END])
    builder.add_edge("refund", "answer")
    builder.add_edge("tools", "answer")
    return builder


def main(model_name: str) -> None:
    """Talk with the agent on a terminal, without Headwater."""
    from langchain.chat_models import init_chat_model
    from langgraph.checkpoint.memory import InMemorySaver

    graph = build(init_chat_model(model_name)).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "terminal"}}
    while text := input("> "):
        state = graph.invoke({"messages": [("user", text)]}, config)
        while asked := state.get("__interrupt__"):
            state = graph.invoke(Command(resume=input(f"{asked[0].value['question']} ")), config)
        print(state["messages"][-1].text)


if __name__ == "__main__":
    main(sys.argv[1])
