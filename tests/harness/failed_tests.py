"""The option `--failures` of pytest, with which `scripts/test` learns the names of failed tests."""

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--failures", type=Path, help="write the names of failed tests to this file, one a line")


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: pytest.ExitCode, config: pytest.Config
) -> None:
    """Write the names of failed tests for --failures, unless something else failed than tests."""
    reports = [*terminalreporter.stats.get("failed", []), *terminalreporter.stats.get("error", [])]
    file: Path | None = config.getoption("--failures")
    if (
        file
        and exitstatus == pytest.ExitCode.TESTS_FAILED
        and all(isinstance(report, pytest.TestReport) for report in reports)
    ):
        file.write_text("".join(f"{name}\n" for name in dict.fromkeys(report.nodeid for report in reports)))
