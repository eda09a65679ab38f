"""Temporary files of tests, in memory if there is enough: creating and removing files takes less time there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_MEMORY = Path("/dev/shm")
_MIN_FREE = 6 * 1024**3
"""Bytes. All tests together write about 2 GB, and their databases as much. Often the limit is half of the memory."""


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """Make a folder, in memory unless that is small or forbids programs; containers often have 64 MB."""
    is_large = _MEMORY.exists() and shutil.disk_usage(_MEMORY).free > _MIN_FREE
    runs_programs = is_large and not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC
    with TemporaryDirectory(prefix=prefix, dir=_MEMORY if runs_programs else None) as folder:
        Path(folder).chmod(0o711)  # other users have to reach folders in it, such as a database server's
        yield Path(folder)
