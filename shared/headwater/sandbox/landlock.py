"""Landlock: restrict this process, and those that it starts, to some folders. Source: landlock(7)."""

import ctypes
import os
import stat
import struct
from collections.abc import Mapping

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_GET_VERSION = 1
_BENEATH_PATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE = 1 << 14
READ = _EXECUTE | _READ_FILE | _READ_DIR
"""Read files and folders, run programs."""
DEVICES = _READ_FILE | _WRITE_FILE | _TRUNCATE
"""Read and write files that exist."""
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE

# By version of the interface: the rights of access to files, and whether connections, and signals and abstract sockets,
# can be restricted. IOCTL_DEV, the last right of version 5, is for devices.
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_LATEST_RIGHTS = (1 << 16) - 1
_NETWORK_SINCE, _NETWORK = 4, 3
_SCOPES_SINCE, _SCOPES = 6, 3


def version() -> int:
    """Return the version of Landlock's interface, 0 if the kernel doesn't have it."""
    return max(0, int(ctypes.CDLL(None).syscall(_CREATE_RULESET, None, 0, _GET_VERSION)))


def all_rights() -> int:
    """Return all rights that this kernel can restrict."""
    return _RIGHTS.get(version(), _LATEST_RIGHTS)


def restrict(folders: Mapping[str, int]) -> None:
    """Restrict this process to paths, with the rights on each; where possible, refuse connections and signals, too."""
    libc = ctypes.CDLL(None, use_errno=True)
    found, rights = version(), all_rights()
    network = _NETWORK if found >= _NETWORK_SINCE else 0
    scopes = _SCOPES if found >= _SCOPES_SINCE else 0
    size = 24 if scopes else 16 if network else 8
    attributes = struct.pack("=QQQ", rights, network, scopes)[:size]
    ruleset = _checked(libc.syscall(_CREATE_RULESET, attributes, size, 0))
    try:
        for path, allowed in folders.items():
            folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                of_kind = rights if stat.S_ISDIR(os.fstat(folder).st_mode) else rights & _OF_FILES
                rule = struct.pack("=Qi", allowed & of_kind, folder)
                _checked(libc.syscall(_ADD_RULE, ruleset, _BENEATH_PATH, rule, 0))
            finally:
                os.close(folder)
        _checked(libc.prctl(38, 1, 0, 0, 0))  # no new privileges, which it requires
        _checked(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "Landlock: " + os.strerror(ctypes.get_errno()))
    return result
