"""A tool that calculates: Python in Monty, an interpreter that has no files, network, processes or environment.

It runs in a child process, within limits of time, memory, recursion and output, also where there is no sandbox.
"""

from typing import Annotated, Any

import msgspec

from headwater.errors import UnprocessableContent, UpstreamError
from headwater.tools import Tool, ToolContext

MAX_CODE_CHARS = 20_000
MAX_SECONDS = 5.0
MAX_MEMORY_BYTES = 64 * 1024**2
MAX_OUTPUT_BYTES = 30_000
MAX_RECURSION = 200
_GRACE_S = 5.0
"""Seconds after the time limit, after which the child process is killed."""


class CalculateArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to calculate."""

    code: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=MAX_CODE_CHARS,
            description="Python, such as `sum(range(10)) / 3`. The value of the last expression is returned.",
        ),
    ]


class Calculate(Tool[CalculateArguments]):
    """A calculation."""

    name = "calculate"
    description = (
        "Calculates with Python: numbers, text, lists, `math`, `datetime`, `decimal`, `re`, `json`. Use it for every "
        "calculation, instead of calculating yourself. No files, no other modules; 5 s."
    )
    arguments_type = CalculateArguments

    def run(self, _: ToolContext, arguments: CalculateArguments) -> str:
        """Calculate. Raises UnprocessableContent, which says why, if the code is wrong or exceeds a limit."""
        from pydantic_monty import CollectString, Monty, MontyCrashedError, MontyError, OSPolicy, ResourceLimits

        limits = ResourceLimits(
            max_feed_duration_secs=MAX_SECONDS,
            max_memory=MAX_MEMORY_BYTES,
            max_recursion_depth=MAX_RECURSION,
            max_suspensions=10,
            max_total_sleep_secs=0,
        )
        output = CollectString(MAX_OUTPUT_BYTES)
        try:
            with (
                Monty(max_processes=1, request_timeout=MAX_SECONDS + _GRACE_S) as processes,
                processes.checkout(limits=limits, os_policy=OSPolicy(sleep="zero")) as session,
            ):
                value = session.feed_run(arguments.code, print_callback=output)
        except MontyCrashedError as error:
            raise UpstreamError("The calculation ended unexpectedly: it may need too much memory.") from error
        except MontyError as error:
            printed = f" It printed: {output.output}" if output.output else ""
            raise UnprocessableContent(f"The calculation failed. {error}.{printed}") from error
        return _shown(value, output.output)


def _shown(value: Any, printed: str) -> str:
    """Return what was printed, then the value of the last expression, unless it has none."""
    try:
        text = "" if value is None else value if isinstance(value, str) else repr(value)
    except ValueError as error:  # an integer of more digits than Python writes
        raise UnprocessableContent(f"The result can't be written: {error}.") from error
    return f"{printed}{text}" or "(It has no result. End with an expression.)"
