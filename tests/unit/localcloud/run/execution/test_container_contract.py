"""Results of task processes."""

import pytest

from localcloud.run.execution.container_contract import result_of
from localcloud.run.execution.processes import ProcessExit


@pytest.mark.parametrize(
    ("process_exit", "code", "number", "message"),
    [
        (ProcessExit(0), 0, None, ""),
        (ProcessExit(3), 3, None, "The container exited with an error."),
        (ProcessExit(-9), None, 9, "The container was terminated by signal 9."),
        (ProcessExit(0, timed_out=True), None, None, "The configured timeout was reached."),
    ],
)
def test_process_exit_gives_the_result_of_the_real_service(
    process_exit: ProcessExit, code: int | None, number: int | None, message: str
) -> None:
    result = result_of(process_exit)
    assert (result.exit_code, result.term_signal, result.message) == (code, number, message)
    assert result.succeeded is (message == "")
