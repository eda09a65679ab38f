"""A question of an agent to the person who asked."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headwater.errors import PermanentError
from headwater.tools import Tool, ToolContext

ASK_USER = "ask_user"
MAX_QUESTION_CHARS = 2_000
MAX_CHOICES = 10
MAX_CHOICE_CHARS = 200

Choice = Annotated[str, Meta(min_length=1, max_length=MAX_CHOICE_CHARS)]


class QuestionArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to ask."""

    question: Annotated[str, Meta(min_length=1, max_length=MAX_QUESTION_CHARS, description="One question.")]
    choices: Annotated[
        list[Choice], Meta(max_length=MAX_CHOICES, description="Answers to choose from. The person may write another.")
    ] = msgspec.field(default_factory=list)


class AskUser(Tool[QuestionArguments]):
    """A question that waits for the person's answer."""

    name = ASK_USER
    description = (
        "Asks the person a question and waits for the answer, maybe for days. Ask only what you need to go on and "
        "can't find out with other tools, such as which of two things is meant."
    )
    arguments_type = QuestionArguments
    read_only = True

    def run(self, _: ToolContext, __: QuestionArguments) -> str:
        """Refuse: the agent waits for the answer, and nothing runs."""
        raise PermanentError("Only the person can answer this.")
