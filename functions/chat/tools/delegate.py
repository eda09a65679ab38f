"""A sub-agent: an agent that another one gives a part of its task."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headwater.errors import PermanentError
from headwater.tools import Tool, ToolContext

DELEGATE = "delegate"
MAX_TASK_CHARS = 10_000


class TaskArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the sub-agent is to do."""

    task: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_TASK_CHARS,
            description="The whole task, with all that it needs to know: the agent does not see this conversation.",
        ),
    ]


class Delegate(Tool[TaskArguments]):
    """An agent with tools of its own."""

    name = DELEGATE
    description = (
        "Gives a task to another agent, which has your tools but not this conversation, and returns its report, whose "
        "citations you may use. For parts of a question that need several searches each: call it for each part at once."
    )
    arguments_type = TaskArguments
    read_only = True

    def run(self, _: ToolContext, __: TaskArguments) -> str:
        """Refuse: the loop runs sub-agents."""
        raise PermanentError("Only an agent's loop can run another agent.")
