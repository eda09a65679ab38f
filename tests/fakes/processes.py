"""An object that misbehaves in its child process: it hangs, spins, allocates, crashes and returns nonsense."""

import ctypes
import os
import re
import socket
import stat
import time
from collections.abc import Iterator

import msgspec

from headwater.errors import ConfigError
from headwater.processes.child import limit_memory


class Misbehaving:
    """Does what its methods say. `memory_bytes` is what it may use beyond its size at the start."""

    def __init__(self, memory_bytes: int) -> None:
        if memory_bytes < 0:
            raise ConfigError("The model is missing.")
        limit_memory(memory_bytes)

    def pid(self) -> Iterator[int]:
        yield os.getpid()

    def sleep(self) -> Iterator[None]:
        time.sleep(3600)
        yield None

    def spin(self) -> Iterator[None]:
        """Hold the interpreter: no other thread of the process runs while a pattern is matched."""
        re.match(r"(a+)+$", "a" * 60 + "b")
        yield None

    def allocate(self, size_bytes: int) -> Iterator[int]:
        yield len(bytearray(size_bytes))

    def grow(self) -> Iterator[None]:
        """Allocate in small pieces, which malloc takes from the heap."""
        kept = []
        while True:
            kept.append(bytearray(100_000))
        yield None

    def die(self, signal_number: int) -> Iterator[None]:
        os.kill(os.getpid(), signal_number)
        yield None

    def crash(self) -> Iterator[None]:
        """Read memory that is not mapped."""
        ctypes.string_at(0)
        yield None

    def leave(self) -> Iterator[None]:
        os._exit(0)
        yield None

    def close_its_pipe(self) -> Iterator[None]:
        """Close every socket and go on."""
        for descriptor in sockets():
            os.close(descriptor)
        time.sleep(3600)
        yield None

    def write_nonsense(self) -> Iterator[None]:
        """Send bytes that are no message."""
        [descriptor] = sockets()
        with socket.socket(fileno=os.dup(descriptor)) as pipe:
            pipe.sendall(b"\0\0\0\3abc")
        time.sleep(3600)
        yield None

    def stop_in_a_message(self) -> Iterator[None]:
        """Send the length of a message and nothing else."""
        [descriptor] = sockets()
        os.write(descriptor, b"\0\0\1\0")
        time.sleep(3600)
        yield None

    def nest(self) -> Iterator[msgspec.Raw]:
        """Return a list in a list, ten thousand times."""
        yield msgspec.Raw(b"\x91" * 10_000 + b"\xc0")

    def recurse(self) -> Iterator[None]:
        yield from self.recurse()

    def environment(self) -> Iterator[list[str]]:
        yield sorted(os.environ)

    def open_files(self) -> Iterator[list[str]]:
        """Tell what kind of file each descriptor above stderr is."""
        yield ["socket" if number in sockets() else "other" for number in descriptors()]


def descriptors() -> list[int]:
    """Open file descriptors above stderr."""
    found = []
    for number in range(3, 1024):
        try:
            os.fstat(number)
        except OSError:
            continue
        found.append(number)
    return found


def sockets() -> list[int]:
    return [number for number in descriptors() if stat.S_ISSOCK(os.fstat(number).st_mode)]
