"""Extract values for a caller: find the passages, reserve the cost, ask the model."""

import uuid
from collections.abc import Generator, Sequence
from typing import NamedTuple, TypeVar

from functions.chat.answers.compose import MODEL_UNAVAILABLE
from functions.chat.answers.prompt import ModelMisconfigured
from functions.chat.conversations.answerer import Answerer
from functions.chat.conversations.model_choice import read_workspace_chat
from functions.chat.extraction.checked_json import Delta, Restart
from functions.chat.extraction.extract import Extracted, Extraction, estimate, extract
from functions.chat.extraction.output_schema import OutputSchema
from functions.chat.extraction.passages import Evidence
from functions.chat.usage.metering import MeteredModel
from headwater.auth.callers import Caller, ensure_local_workspace
from headwater.errors import PermanentError, UnprocessableContent
from headwater.filters.tree import Filter

NO_MODEL = "No language model is set up. Ask the operator of this installation to set CHAT_MODELS."

Result = TypeVar("Result")
Extracting = Generator[list[Delta | Restart], None, Extracted]


class ExtractTask(NamedTuple):
    """What to extract. `model` is None for the first that the workspace allows."""

    question: str
    schema: OutputSchema
    model: str | None


class Prepared(NamedTuple):
    """An extraction whose cost is reserved. `is_whole`: the passages are all of the documents."""

    extraction: Extraction
    schema: OutputSchema
    model: MeteredModel
    is_owner: bool
    is_whole: bool


class Extractor:
    """Extracts with the models and the search of an installation."""

    def __init__(self, answerer: Answerer) -> None:
        self.answerer = answerer
        self.evidence = Evidence(answerer.sources.search)

    def check_model(self, caller: Caller) -> None:
        """Raise UnprocessableContent without a language model, and what `Answerer.check_model` raises."""
        if not self.answerer.models.are_configured:
            raise UnprocessableContent(f"model: {NO_MODEL}")
        self.answerer.check_model(is_owner=caller.role == "owner")

    def prepare(
        self, caller: Caller, task: ExtractTask, documents: Sequence[uuid.UUID], chosen: Filter | None = None
    ) -> Prepared:
        """Find the passages of documents, or of a search in the chosen ones, and reserve the cost.

        Raises NotFound, UnprocessableContent, BudgetExceeded, and what `check_model` raises.
        """
        self.check_model(caller)
        if documents:
            passages, is_whole = self.evidence.read(caller.workspace_id, task.question, documents)
        else:
            passages, is_whole = self.evidence.search(caller.workspace_id, task.question, chosen), False
        with self.answerer.database.transaction(caller.workspace_id) as tx:
            ensure_local_workspace(tx, caller.workspace_id)  # usage refers to it
            workspace = read_workspace_chat(tx, caller)
            extraction = Extraction(task.question, passages, workspace.instructions)
            model = self.answerer.choose_model(
                tx,
                caller,
                task.question,
                given=task.model,
                allowed=workspace.allowed,
                estimated=estimate(extraction, task.schema),
            )
        return Prepared(extraction, task.schema, model, caller.role == "owner", is_whole)

    def extract(self, prepared: Prepared) -> Extracting:
        """Yield and return what `extract` does, and release the reservation at the end."""
        model = prepared.model
        try:
            return (
                yield from extract(prepared.extraction, prepared.schema, model, self.answerer.settings.chat_timeout_s)
            )
        except ModelMisconfigured as error:
            raise error if prepared.is_owner else PermanentError(MODEL_UNAVAILABLE) from error
        finally:
            model.close()


def finish(extracting: Generator[list[Delta | Restart], None, Result]) -> Result:
    """Run a generator to its end and return its result."""
    while True:
        try:
            next(extracting)
        except StopIteration as end:
            found: Result = end.value
            return found
