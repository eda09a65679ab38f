"""Commands in the sandbox: files, output, limits, stopping. For attacks, see `test_attacks`."""

import os
import threading
import time
from pathlib import Path

import msgspec
import pytest

from headwater.errors import UnprocessableContent
from headwater.sandbox.frames import SandboxFailed
from headwater.sandbox.limits import Limits
from headwater.sandbox.runner import Launcher, Sandbox, find_sandbox
from tests.harness.sandbox_host import QUICK
from tests.integration.headwater.sandbox.conftest import Run

HOSTILE_FILES = """
import os, socket
open('kept.txt', 'w').write('kept')
os.symlink('/etc/passwd', 'link'); os.symlink('.', 'loop'); os.mkfifo('pipe')
socket.socket(socket.AF_UNIX).bind('socket')
open('line\\nbreak', 'w'); open(b'\\xff', 'w'); open('a\\\\b', 'w')
open('locked', 'w'); os.chmod('locked', 0)
os.mkdir('closed'); open('closed/x', 'w'); os.chmod('closed', 0)
for n in range(3):
    open(f'sparse{n}', 'w').truncate(15 << 20)
for _ in range(300):
    os.mkdir('d'); os.chdir('d')
open('deep', 'w')
"""


def test_command_gets_files_and_returns_files(run: Run) -> None:
    given = {"in/data.txt": b"1\n2\n", "empty": b"", "name with ü": b"\0\xff"}
    result = run(["sh", "-c", "sort -r in/data.txt | tee out.txt; rm empty; pwd; echo bad >&2; exit 3"], given)
    assert (result.reason, result.code) == ("exit", 3)
    assert sorted(result.output.split()) == [b"/work", b"1", b"2", b"bad"]
    assert result.files == {"in/data.txt": b"1\n2\n", "name with ü": b"\0\xff", "out.txt": b"2\n1\n"}
    assert result.skipped == {}


def test_hostile_files_are_skipped_with_the_reason(run: Run) -> None:
    result = run(["python3", "-c", HOSTILE_FILES])
    assert (result.reason, result.output) == ("exit", b"")
    # A supervisor that root has not started owns the user namespace, so it reads them.
    without_rights = {"locked", "closed", "closed/x"}
    sizes = {path: len(content) for path, content in result.files.items() if path not in without_rights}
    assert sizes == {"kept.txt": 4, "sparse0": 15 << 20}
    reasons = {path: why for path, why in result.skipped.items() if not path.startswith("d/")}
    assert {reasons.pop(path, "Permission denied") for path in without_rights} == {"Permission denied"}
    assert reasons == {
        "link": "it is a link",
        "loop": "it is a link",
        "pipe": "it is no regular file",
        "socket": "it is no regular file",
        "line\\nbreak": "its name has a character that names may not have",
        "\\udcff": "its name has a character that names may not have",
        "a\\\\b": "its name has a character that names may not have",
        "sparse1": "the files are too large together",
        "sparse2": "the files are too large together",
    }
    assert [why for path, why in result.skipped.items() if path.startswith("d/")] == ["it is deeper than 32 folders"]


def test_archive_with_escaping_paths_is_unpacked_below_the_folder(run: Run) -> None:
    program = """
import io, os, zipfile
archive = zipfile.ZipFile(io.BytesIO(), 'w')
archive.writestr('../../../tmp/slipped', 'x'); archive.writestr('/etc/slipped', 'x')
for name in archive.namelist():
    try:
        open(os.path.join('/work', name), 'w')
    except OSError as error:
        print(error)
"""
    result = run(["python3", "-c", program])
    assert result.files == {}
    assert b"/etc/slipped" in result.output
    assert not Path("/tmp/slipped").exists()


def test_nothing_of_a_sandbox_is_in_the_next(run: Run) -> None:
    run(["sh", "-c", "echo left > /tmp/left; echo left > left; (sleep 300 &) ; exit 0"])
    result = run(["sh", "-c", "ls -A /tmp . ; ps -e | grep -c sleep"])
    assert result.output.split() == [b".:", b"/tmp:", b"0"]


def test_command_that_leaves_a_process_ends_at_once(run: Run) -> None:
    started = time.monotonic()
    limits = msgspec.structs.replace(QUICK, seconds=60)
    result = run(["sh", "-c", "(sleep 1000 &); (setsid sleep 1000 &); echo done"], None, limits)
    assert (result.reason, result.output) == ("exit", b"done\n")
    assert time.monotonic() - started < 30


def test_unknown_command_says_so(run: Run) -> None:
    result = run(["no-such-program"])
    assert result.reason == "exit"
    assert result.code in (126, 127)
    assert b"No such file or directory" in result.output


@pytest.mark.parametrize(
    "path", ["../x", "/x", "a//b", "a/./b", "", "a/", "a\nb", "a\0b", "x" * 256, "a/" * 40 + "b", "a\\b", "\ud800"]
)
def test_path_outside_of_the_folder_is_refused(launcher: Launcher, path: str) -> None:
    with pytest.raises(UnprocessableContent, match="can't be written"):
        Sandbox(launcher).run(["true"], {path: b""}, QUICK)


def test_files_that_exclude_each_other_are_refused(launcher: Launcher) -> None:
    with pytest.raises(UnprocessableContent, match="below another file"):
        Sandbox(launcher).run(["true"], {"a": b"", "a/b": b""}, QUICK)


def test_files_that_do_not_fit_are_refused(launcher: Launcher) -> None:
    with pytest.raises(UnprocessableContent, match="'big' can't be written to the sandbox's disk: No space left"):
        Sandbox(launcher).run(["true"], {"big": bytes(QUICK.disk_bytes + 1)}, QUICK)


def test_output_streams_and_the_caller_can_stop(launcher: Launcher) -> None:
    seen = threading.Event()
    outcome = Sandbox(launcher).run(
        ["sh", "-c", "touch made; echo first; sleep 1000"],
        {},
        Limits(seconds=600),
        on_output=lambda _: seen.set(),
        is_stopped=seen.is_set,
    )
    assert (outcome.reason, outcome.output, list(outcome.files)) == ("stopped", b"first\n", ["made"])
    assert outcome.describe(QUICK) == "The command was stopped: its caller asked for that."


def test_error_of_the_caller_ends_the_command(launcher: Launcher) -> None:
    def fail(_: bytes) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Sandbox(launcher).run(["sh", "-c", f"echo x; exec sleep 1{os.getpid()}"], {}, QUICK, on_output=fail)
    until = time.monotonic() + 30
    while _is_running(f"sleep\x001{os.getpid()}"):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_two_sandboxes_do_not_see_each_other(launcher: Launcher) -> None:
    results: list[bytes] = []

    def work(name: str) -> None:
        command = ["sh", "-c", f"echo {name} > /tmp/{name}; sleep 1; cat /tmp/* ; ls /tmp; ps -e | grep -c sleep"]
        results.append(Sandbox(launcher).run(command, {}, Limits()).output)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [b"one\none\n0\n", b"two\ntwo\n0\n"]


def test_python_that_does_not_start_is_reported() -> None:
    with pytest.raises(SandboxFailed, match="ended unexpectedly"):
        Sandbox("bubblewrap", "/bin/false").run(["true"], {}, QUICK)


def test_a_sandbox_is_found_here(launcher: Launcher) -> None:
    assert find_sandbox().launcher == ("bubblewrap" if launcher == "bubblewrap" else find_sandbox().launcher)


def _is_running(command_line: str) -> bool:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if command_line in (folder / "cmdline").read_text(errors="replace"):
                return True
        except OSError:
            continue
    return False
