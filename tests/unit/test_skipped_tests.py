"""Skipped tests in CI: excused only by what can't be had."""

import sys
from pathlib import Path

import pytest

from scripts.checks.skipped_tests import inexcusable, reasons

REPORT = """<testsuites><testsuite>
<testcase classname="tests.e2e.test_page" name="test_it"><skipped message="needs chromium: it draws"/></testcase>
<testcase classname="tests/page.test.ts" name="a page (needs chromium) &gt; opens"><skipped/></testcase>
<testcase classname="tests.unit.test_x" name="test_y"/>
</testsuite></testsuites>"""


def test_the_report_gives_each_skip_with_its_reason() -> None:
    assert reasons(REPORT) == [
        ("tests.e2e.test_page::test_it", "needs chromium: it draws"),
        ("tests/page.test.ts::a page (needs chromium) > opens", "a page (needs chromium) > opens"),
    ]


def test_a_skip_that_needs_nothing_is_inexcusable() -> None:
    assert inexcusable("not today") == "doesn't say what it needs"


def test_a_skip_for_a_program_that_is_here_is_inexcusable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(sys.exec_prefix) + "/bin")
    assert inexcusable("needs python: of course") == "python can be had here"


def test_a_skip_of_a_real_gcloud_is_inexcusable_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert inexcusable("needs gcloud: it is not installed") is None
    (tmp_path / "gcloud").touch(mode=0o755)
    assert inexcusable("needs gcloud: it is not installed") == "gcloud can be had here"


def test_a_skip_for_data_that_was_given_is_inexcusable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADWATER_DATA", raising=False)
    assert inexcusable("needs HEADWATER_DATA: a large corpus") is None
    monkeypatch.setenv("HEADWATER_DATA", "/somewhere")
    assert inexcusable("needs HEADWATER_DATA: a large corpus") == "HEADWATER_DATA can be had here"
