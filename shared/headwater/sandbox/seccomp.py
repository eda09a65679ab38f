"""The seccomp filter of the sandbox: a BPF program that refuses system calls. Pure, but for `install`.

Commands in the sandbox have no capabilities, so most of these calls fail without the filter, too. It keeps kernel code
out of reach that ordinary programs don't need, and refuses what limits don't count: memory outside of processes.
"""

import ctypes
import os
import struct
from collections.abc import Mapping

# Numbers by name: x86-64, arm64 (None: the system call does not exist there). Source: asm/unistd.h of Linux 6.1.
_NUMBERS: Mapping[str, tuple[int, int | None]] = {
    # Look at other processes, or change them.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    # Namespaces and file systems.
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    # The kernel itself.
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "syslog": (103, 116),
    "acct": (163, 89),
    "lookup_dcookie": (212, 18),
    "personality": (135, 92),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
    "uselib": (134, None),
    "sysfs": (139, None),
    "ustat": (136, None),
    "vhangup": (153, 58),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    # Memory that belongs to no process, so that its limit does not count it.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "vmsplice": (278, 75),
}
_CLONE, _CLONE3, _SOCKET, _SOCKETPAIR, _IOCTL = (56, 220), (435, 435), (41, 198), (53, 199), (16, 29)

_NEW_NAMESPACES = 0x7E020080
"""All flags CLONE_NEW… of clone(2); CLONE_NEWTIME has the place of the exit signal there."""
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
"""Requests of ioctl(2) that type into a terminal."""
_AF_UNIX = 1
_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_X32_BIT = 0x40000000
_EPERM, _ENOSYS, _EAFNOSUPPORT = 1, 38, 97

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT, _SECOND_ARGUMENT_AT = 0, 4, 16, 24


def is_supported(machine: str) -> bool:
    """Return True if there is a filter for a machine, as `os.uname().machine` names it."""
    return machine in _ARCHITECTURES


def build_filter(machine: str) -> bytes:
    """Return the BPF program, an array of `struct sock_filter`; raises KeyError for an unsupported machine.

    A call in the convention of another architecture kills the process.
    """
    architecture, column = _ARCHITECTURES[machine]
    program = [
        _op(_LOAD, _ARCHITECTURE_AT),
        _op(_JUMP_EQUAL, architecture, 1, 0),
        _op(_RETURN, _KILL),
        _op(_LOAD, _NUMBER_AT),
    ]
    if machine == "x86_64":
        program += [_op(_JUMP_GREATER_EQUAL, _X32_BIT, 0, 1), _op(_RETURN, _KILL)]
    for numbers in _NUMBERS.values():
        if (number := numbers[column]) is not None:
            program += [_op(_JUMP_EQUAL, number, 0, 1), _op(_RETURN, _ERRNO | _EPERM)]
    # The flags of clone3 are in memory, which a filter can't read. Without it, the C library uses clone.
    program += [_op(_JUMP_EQUAL, _CLONE3[column], 0, 1), _op(_RETURN, _ERRNO | _ENOSYS)]
    program += _check_argument(_CLONE[column], _FIRST_ARGUMENT_AT, [_op(_JUMP_ANY_BIT, _NEW_NAMESPACES, 0, 1)])
    for call in (_SOCKET, _SOCKETPAIR):
        program += _check_argument(call[column], _FIRST_ARGUMENT_AT, [_op(_JUMP_EQUAL, _AF_UNIX, 1, 0)], _EAFNOSUPPORT)
    for request in (_TIOCSTI, _TIOCLINUX):
        program += _check_argument(_IOCTL[column], _SECOND_ARGUMENT_AT, [_op(_JUMP_EQUAL, request, 0, 1)])
    return b"".join([*program, _op(_RETURN, _ALLOW)])


def _check_argument(number: int, at: int, test: list[bytes], error: int = _EPERM) -> list[bytes]:
    """Refuse a call if the lower half of an argument passes a test, which jumps over one instruction if it doesn't."""
    refused = [_op(_LOAD, at), *test, _op(_RETURN, _ERRNO | error), _op(_LOAD, _NUMBER_AT)]
    return [_op(_JUMP_EQUAL, number, 0, len(refused)), *refused]


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def install(program: bytes) -> None:
    """Apply a filter to this process and those that it starts. They can't gain privileges any more."""
    libc = ctypes.CDLL(None, use_errno=True)
    set_no_new_privileges, set_seccomp, filter_mode = 38, 22, 2  # prctl(2)
    filter_ = _Program(len(program) // 8, program)
    for call in ((set_no_new_privileges, 1, 0, 0, 0), (set_seccomp, filter_mode, ctypes.byref(filter_), 0, 0)):
        if libc.prctl(*call):
            raise OSError(ctypes.get_errno(), "prctl failed: " + os.strerror(ctypes.get_errno()))
