"""The seccomp filter, run by a small interpreter of its instructions."""

import struct

import pytest

from headwater.sandbox.seccomp import build_filter, is_supported

X86_64, ARM64 = 0xC000003E, 0xC00000B7
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97


def run_filter(program: bytes, number: int, architecture: int = X86_64, arguments: tuple[int, ...] = ()) -> int:
    """Return what the filter decides on a system call."""
    data = struct.pack("=IIQ6Q", number, architecture, 0, *(*arguments, *[0] * (6 - len(arguments))))
    instructions = list(struct.iter_unpack("=HBBI", program))
    at, value = 0, 0
    while True:
        code, if_true, if_false, operand = instructions[at]
        at += 1
        match code:
            case 0x20:
                value = struct.unpack_from("=I", data, operand)[0]
            case 0x06:
                return int(operand)
            case _:
                is_true = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[code]
                at += if_true if is_true else if_false


@pytest.mark.parametrize(
    ("number", "arguments", "decision"),
    [
        pytest.param(0, (), ALLOW, id="read"),
        pytest.param(57, (), ALLOW, id="fork"),
        pytest.param(59, (), ALLOW, id="execve"),
        pytest.param(101, (), REFUSE | EPERM, id="ptrace"),
        pytest.param(165, (), REFUSE | EPERM, id="mount"),
        pytest.param(319, (), REFUSE | EPERM, id="memfd_create"),
        pytest.param(435, (), REFUSE | ENOSYS, id="clone3"),
        pytest.param(56, (0x003D0F00,), ALLOW, id="clone of a thread"),
        pytest.param(56, (0x10000011,), REFUSE | EPERM, id="clone into a user namespace"),
        pytest.param(56, (0x00020011,), REFUSE | EPERM, id="clone into a mount namespace"),
        pytest.param(41, (1,), ALLOW, id="socket AF_UNIX"),
        pytest.param(41, (2,), REFUSE | EAFNOSUPPORT, id="socket AF_INET"),
        pytest.param(41, (16,), REFUSE | EAFNOSUPPORT, id="socket AF_NETLINK"),
        pytest.param(53, (1,), ALLOW, id="socketpair AF_UNIX"),
        pytest.param(16, (0, 0x5401), ALLOW, id="ioctl TCGETS"),
        pytest.param(16, (0, 0x5412), REFUSE | EPERM, id="ioctl TIOCSTI"),
        pytest.param(16, (0, 1 << 32 | 0x5412), REFUSE | EPERM, id="ioctl TIOCSTI with a high bit"),
        pytest.param(0x40000000, (), KILL, id="x32 convention"),
    ],
)
def test_filter_decides_on_x86_64(number: int, arguments: tuple[int, ...], decision: int) -> None:
    assert run_filter(build_filter("x86_64"), number, X86_64, arguments) == decision


@pytest.mark.parametrize(
    ("number", "arguments", "decision"),
    [
        pytest.param(63, (), ALLOW, id="read"),
        pytest.param(117, (), REFUSE | EPERM, id="ptrace"),
        pytest.param(220, (0x10000011,), REFUSE | EPERM, id="clone into a user namespace"),
        pytest.param(198, (2,), REFUSE | EAFNOSUPPORT, id="socket AF_INET"),
    ],
)
def test_filter_decides_on_arm64(number: int, arguments: tuple[int, ...], decision: int) -> None:
    assert run_filter(build_filter("aarch64"), number, ARM64, arguments) == decision


@pytest.mark.parametrize(("machine", "other"), [("x86_64", ARM64), ("x86_64", 0x40000003), ("aarch64", X86_64)])
def test_filter_kills_at_another_architecture(machine: str, other: int) -> None:
    assert run_filter(build_filter(machine), 0, other) == KILL


def test_other_machines_are_not_supported() -> None:
    assert [is_supported(name) for name in ("x86_64", "aarch64", "riscv64")] == [True, True, False]
