"""A process that is protected can't be read by others of the same user."""

import inspect
import os
import pwd
import subprocess
import sys

import pytest

from headwater.processes import protect
from tests.harness.sandbox_user import SYSTEM_PYTHON

READ_PARENT = """
if sys.argv[1] == "protected":
    protect_memory()
import subprocess
code = f"assert b'SECRET' in open('/proc/{os.getpid()}/environ', 'rb').read()"
print(subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL).returncode)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
@pytest.mark.parametrize(("mode", "code"), [("protected", "1"), ("as it is", "0")])
def test_child_reads_the_environment_of_its_parent_unless_it_is_protected(mode: str, code: str) -> None:
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    ran = subprocess.run(
        [SYSTEM_PYTHON, "-c", inspect.getsource(protect) + READ_PARENT, mode],
        user=user,
        env={"SECRET": "x"},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == code
