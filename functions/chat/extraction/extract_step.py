"""The step `extract` of the queue `chat`: extract from one document of an extraction. Its key is the document's id."""

import uuid
from typing import NamedTuple

from sqlalchemy.engine import Connection

from functions.chat.extraction import extractions
from functions.chat.extraction.extractions import Ended, Task
from functions.chat.extraction.extractor import Extractor, ExtractTask, finish
from functions.chat.extraction.output_schema import OutputSchema
from headwater.auth.callers import Caller
from headwater.errors import PermanentError, UserError
from headwater.queue.ledger import Step
from headwater.queue.worker import StepResult
from headwater.usage.prices import load_prices
from headwater.usage.record import cost_of


class Gathered(NamedTuple):
    """What a step extracts, for which workspace."""

    workspace_id: uuid.UUID
    task: Task


class ExtractFromDocument:
    """Handler of the steps `extract`. Errors that a retry can't mend fail the document, not the extraction."""

    def __init__(self, extractor: Extractor) -> None:
        self.extractor = extractor

    def gather(self, tx: Connection, step: Step) -> Gathered | None:
        """Read what to extract. Returns None if the document is done, or the extraction was cancelled."""
        task = extractions.take(tx, step.run_id, step.workspace_id, uuid.UUID(step.key))
        return None if task is None else Gathered(step.workspace_id, task)

    def compute(self, gathered: Gathered | None) -> Ended | None:
        """Extract. Raises UpstreamError for failures that pass."""
        if gathered is None:
            return None
        task = gathered.task
        caller = Caller(gathered.workspace_id, task.subject, task.role)
        try:
            wanted = ExtractTask(task.question, OutputSchema(task.schema), task.model)
            prepared = self.extractor.prepare(caller, wanted, [task.document_id])
            found = finish(self.extractor.extract(prepared))
        except (UserError, PermanentError) as error:
            return Ended(error=error.message)
        prices = load_prices(self.extractor.answerer.settings.prices)
        cost = cost_of(prices, found.model, prepared.model.used)
        return Ended(found, cost=None if cost is None else float(cost))

    def apply(self, tx: Connection, step: Step, computed: Ended | None) -> StepResult:
        """Store the row. The last one ends the extraction."""
        if computed is None:
            return StepResult()
        extractions.end_row(tx, step, computed)
        return StepResult({"failed" if computed.found is None else "extracted": 1})

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """Fail the document."""
        extractions.end_row(tx, step, Ended(error=reason))
