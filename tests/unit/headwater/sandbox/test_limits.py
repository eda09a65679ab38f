"""What an outcome says."""

import pytest

from headwater.sandbox.limits import Limits, Outcome, Reason


@pytest.mark.parametrize(
    ("reason", "code", "text"),
    [
        ("exit", 0, "The command succeeded."),
        ("exit", 3, "The command failed with exit code 3."),
        ("signal", 11, "The command was ended by signal 11."),
        ("time", 0, "The command was stopped: it ran for more than 60 s."),
        ("memory", 0, "The command was stopped: it used more than 512 MiB of memory."),
        ("processes", 0, "The command was stopped: it started more than 64 processes and threads."),
        ("disk", 0, "The command was stopped: it filled its disk of 128 MiB and 10,000 files."),
        ("output", 0, "The command was stopped: it wrote more than 256,000 bytes of output."),
        ("stopped", 0, "The command was stopped: its caller asked for that."),
    ],
)
def test_outcome_says_how_the_command_ended(reason: Reason, code: int, text: str) -> None:
    outcome = Outcome(reason=reason, code=code, output=b"", files={}, skipped={}, seconds=1.0)
    assert outcome.describe(Limits()) == text
