"""Which skipped tests CI accepts."""

import sys
from pathlib import Path

import pytest

from scripts.checks.skipped_tests import reasons, rejection

REPORT = """<testsuites><testsuite>
<testcase classname="tests.e2e.test_page" name="test_it"><skipped message="needs chromium: it draws"/></testcase>
<testcase classname="tests/page.test.ts" name="a page (needs chromium) &gt; opens"><skipped/></testcase>
<testcase classname="tests.unit.test_x" name="test_y"/>
</testsuite></testsuites>"""


def test_reasons_lists_each_skip_of_a_report() -> None:
    assert reasons(REPORT) == [
        ("tests.e2e.test_page::test_it", "needs chromium: it draws"),
        ("tests/page.test.ts::a page (needs chromium) > opens", "a page (needs chromium) > opens"),
    ]


def test_skip_that_names_no_need_is_rejected() -> None:
    assert rejection("not today") == "names nothing that it needs"


def test_skip_for_an_installed_program_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(sys.exec_prefix) + "/bin")
    assert rejection("needs python: of course") == "python is available here"


def test_skip_for_gcloud_is_accepted_only_where_it_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert rejection("needs gcloud: it is not installed") is None
    (tmp_path / "gcloud").touch(mode=0o755)
    assert rejection("needs gcloud: it is not installed") == "gcloud is available here"


def test_skip_for_a_variable_is_accepted_only_where_it_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADWATER_DATA", raising=False)
    assert rejection("needs HEADWATER_DATA: a large corpus") is None
    monkeypatch.setenv("HEADWATER_DATA", "/somewhere")
    assert rejection("needs HEADWATER_DATA: a large corpus") == "HEADWATER_DATA is available here"
