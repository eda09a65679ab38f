"""The data folder of a stack: private to its user, and locked by one supervisor."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from scripts.local.stack import StackError

HANDOVER_S = 10.0

# Only what we create: with a wrong --data, nothing else changes. Postgres's folder has its own owner and is private.
_CONTENTS = {"blobs", "cloud", "edge", "env", ".env", "first-start", "gcloud", "lock", "logs", "models"}
_CONTENTS |= {"processes.json", "secrets.json", "setup.lock", "token", "worker-secrets.env"}


def make_private(data: Path) -> None:
    """Create the data folder if it is missing, and take it and its contents away from other users.

    Raises StackError if another user owns it and could give it back to others.
    """
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if data.stat().st_uid != os.geteuid():
        raise StackError(
            f"{data} belongs to another user, who could read your data. Choose another folder with --data."
        )
    data.chmod(0o700)
    for path in map(data.joinpath, _CONTENTS):
        if path.exists() and not path.is_symlink():
            for each in (path, *path.rglob("*")):
                if not each.is_symlink() and (mode := each.stat().st_mode) & 0o077:
                    each.chmod(mode & 0o700)


@contextlib.contextmanager
def lock_data_folder(data: Path) -> Iterator[int]:
    """Lock the data folder; yields the lock's descriptor. Raises StackError while another supervisor has it."""
    with (data / "lock").open("a+") as lock:
        deadline = time.monotonic() + HANDOVER_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip()
                # After a supervisor was killed, its orphan killer has the lock until it has ended everything.
                if _is_running(holder) or time.monotonic() > deadline:
                    raise StackError(
                        f"Headwater is already running on {data} (process {holder}). "
                        "Stop it or choose another folder with --data."
                    ) from None
                time.sleep(0.1)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield lock.fileno()


def _is_running(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
