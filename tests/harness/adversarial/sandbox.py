"""Attacks on the sandbox: programs that try to leave it, or to take more than its limits allow.

A program prints ESCAPED if its attack worked. Otherwise it ends with the given reason, and its output says why. Values
in capitals, such as SECRET_PATH, are replaced by those of the host.
"""

from collections.abc import Sequence
from typing import NamedTuple

from headwater.sandbox.limits import Reason

ESCAPED = "ESCAPED"


class Attack(NamedTuple):
    """A Python program, a regular expression for what its output says, and the reasons for which it may end."""

    name: str
    program: str
    says: str
    reasons: Sequence[Reason] = ("exit",)


_DENIED = "Operation not permitted|Permission denied"
_READ_ONLY = "Read-only file system|Permission denied"
_NOT_THERE = "No such file or directory|Permission denied"
_NOT_MAPPED = f"Invalid argument|{_DENIED}"
_NO_FAMILY = "Address family not supported by protocol"

_CALL = """
def call(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
"""
PREAMBLE = f"""
import ctypes, mmap, os, resource, signal, socket, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
{_CALL}
"""


def _read(path: str) -> str:
    return f"open({path!r}, 'rb').read(1); print('ESCAPED')"


def _call(*arguments: object) -> str:
    return f"call({', '.join(map(str, arguments))}); print('ESCAPED')"


_FILES = (
    Attack("reads a secret by its path", _read("SECRET_PATH"), _NOT_THERE),
    Attack("reads the password file", _read("/etc/shadow"), _NOT_THERE),
    Attack("reads by an escaping path", _read("/work/../../../../../etc/shadow"), _NOT_THERE),
    Attack("reads by /proc/1/root", _read("/proc/1/root/etc/shadow"), _NOT_THERE),
    Attack("reads by /proc/1/cwd", "os.chdir('/proc/1/cwd'); open('etc/shadow')", _NOT_THERE),
    Attack("reads by /proc/self/root", _read("/proc/self/root/etc/shadow"), _NOT_THERE),
    Attack("reads through a symlink", "os.symlink('SECRET_PATH', 'link'); " + _read("link"), _NOT_THERE),
    Attack("lists the home folders", "os.listdir('/home'); print('ESCAPED')", _NOT_THERE),
    Attack("lists /sys", "os.listdir('/sys/class'); print('ESCAPED')", _NOT_THERE),
    Attack("links to a program", "os.link('/usr/bin/env', 'env'); print('ESCAPED')", f"cross-device|{_DENIED}"),
    Attack("writes to /usr", "open('/usr/bin/planted', 'w'); print('ESCAPED')", _READ_ONLY),
    Attack("writes to the root", "open('/planted', 'w'); print('ESCAPED')", _READ_ONLY),
    Attack("writes to /etc", "open('/etc/passwd', 'w'); print('ESCAPED')", _READ_ONLY),
    Attack("writes to Python", "open(os.__file__, 'w'); print('ESCAPED')", _READ_ONLY),
    Attack("writes to /dev", "open('/dev/planted', 'w'); print('ESCAPED')", _READ_ONLY),
    Attack("reads memory", _read("/dev/mem"), _NOT_THERE),
    Attack("reads a disk", _read("/dev/vda"), _NOT_THERE),
    Attack("makes a device", "os.mknod('disk', 0o660 | 0o060000, os.makedev(254, 0)); print('ESCAPED')", _DENIED),
    Attack("opens a terminal", _read("/dev/tty"), _NOT_THERE),
    Attack("opens by a handle", _call(304, -100, "b'x' * 64", 0), _DENIED),
)

_SECRETS = (
    Attack(
        "looks for the secret in environments",
        """
for pid in filter(str.isdigit, os.listdir('/proc')):
    try:
        found = open(f'/proc/{pid}/environ', 'rb').read()
    except OSError:
        continue
    if b'SECRET_VALUE' in found:
        print('ESCAPED')
print(sorted(os.environ))
""",
        "HOME.*LANG.*PATH",
    ),
    Attack(
        "looks for open files",
        "print('ESCAPED' if [fd for fd in range(3, 1024) if os.path.exists(f'/proc/self/fd/{fd}')] else 'none open')",
        "none open",
    ),
    Attack(
        "looks for files that other processes have open",
        """
for pid in {*filter(str.isdigit, os.listdir('/proc'))} - {str(os.getpid())}:
    try:
        targets = [os.readlink(f'/proc/{pid}/fd/{name}') for name in os.listdir(f'/proc/{pid}/fd')]
    except OSError:
        continue
    if not all(target.startswith(('pipe:', '/dev/null', 'anon_inode:[eventfd]')) for target in targets):
        print('ESCAPED', targets)
print('nothing else')
""",
        "nothing else",
    ),
    Attack("writes to the first process's memory", "open('/proc/1/mem', 'r+b'); print('ESCAPED')", _NOT_THERE),
    Attack("traces the first process", _call(101, 16, 1, 0, 0), _DENIED),
    Attack("traces itself", _call(101, 0, 0, 0, 0), _DENIED),
    Attack("reads the first process's memory", _call(310, 1, 0, 0, 0, 0, 0), _DENIED),
    Attack("takes a file from the first process", _call(438, "os.pidfd_open(1)", 0, 0), _DENIED),
    Attack("reads the kernel's messages", _call(103, 3, "ctypes.create_string_buffer(99)", 99), _DENIED),
    Attack("reads keys", _call(250, 0, -3, 1), _DENIED),
    Attack("forges the end of the sandbox", "os.write(1, b'e\\0\\0\\0\\2{}'); raise SystemExit('went on')", "went on"),
)

_PROCESSES = (
    Attack("kills a process of the host", "os.kill(VICTIM, 9); print('ESCAPED')", "No such process"),
    Attack("kills its parent", "os.kill(os.getppid(), 9); time.sleep(.1); print('alive')", f"alive|{_DENIED}"),
    Attack("stops its parent", "os.kill(os.getppid(), signal.SIGSTOP); print('alive')", f"alive|{_DENIED}"),
    Attack("kills the first process", "os.kill(1, 9); time.sleep(.1); print('alive')", f"alive|{_DENIED}"),
    Attack("kills everything", "os.kill(-1, 9); print('ESCAPED')", f"No such process|{_DENIED}"),
    Attack("becomes root", "os.setuid(0); print('ESCAPED')", _NOT_MAPPED),
    Attack("becomes root's group", "os.setgid(0); print('ESCAPED')", _NOT_MAPPED),
    Attack("takes groups", "os.setgroups([0]); print('ESCAPED')", _DENIED),
    Attack(
        "runs a set-user-id program",
        "subprocess.run(['cp', '/usr/bin/id', 'id']); os.chmod('id', 0o6755)\n"
        "text = subprocess.run(['./id'], capture_output=True, text=True).stdout\n"
        "print('ESCAPED' if 'euid=' in text or 'uid=0' in text else text)",
        "uid=1000",
    ),
    Attack(
        "takes capabilities",
        _call(126, "(ctypes.c_uint32 * 2)(0x20080522, 0)", "(ctypes.c_uint32 * 6)(*[~0] * 6)"),
        _DENIED,
    ),
    Attack(
        "has capabilities",
        "lines = dict(line.split(':\\t') for line in open('/proc/self/status').read().splitlines() if 'Cap' in line)\n"
        "print('ESCAPED' if int(lines['CapEff'], 16) or int(lines['CapPrm'], 16) else 'none')",
        "none",
    ),
    Attack("raises its priority", "os.setpriority(os.PRIO_PROCESS, 0, -20); print('ESCAPED')", _DENIED),
    Attack(
        "raises its limits", "resource.setrlimit(resource.RLIMIT_NPROC, (9999, 9999)); print('ESCAPED')", "not allowed"
    ),
)

_KERNEL = (
    Attack("makes a user namespace", _call(272, 0x10000000), _DENIED),
    Attack("makes a mount namespace", _call(272, 0x20000), _DENIED),
    Attack("clones into a user namespace", _call(56, 0x10000000 | 17, 0, 0, 0, 0), _DENIED),
    Attack("clones by clone3", _call(435, "(ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17)", 88), "not implemented"),
    Attack("enters a namespace", _call(308, "os.open('/proc/self/ns/net', os.O_RDONLY)", 0), _DENIED),
    Attack("mounts", _call(165, "b'x'", "b'/work'", "b'tmpfs'", 0, 0), _DENIED),
    Attack("remounts the root", _call(165, 0, "b'/'", 0, 0x20 | 0x1000, 0), _DENIED),
    Attack("unmounts", _call(166, "b'/proc'", 2), _DENIED),
    Attack("opens a file system", _call(430, "b'tmpfs'", 0), _DENIED),
    Attack("changes the root", "os.chroot('/work'); print('ESCAPED')", _DENIED),
    Attack("pivots the root", _call(155, "b'.'", "b'.'"), _DENIED),
    Attack("loads a program into the kernel", _call(321, 5, "ctypes.create_string_buffer(128)", 128), _DENIED),
    Attack("makes an io_uring", _call(425, 8, "ctypes.create_string_buffer(128)"), _DENIED),
    Attack("handles page faults", _call(323, 0), _DENIED),
    Attack("counts events", _call(298, "ctypes.create_string_buffer(128)", 0, -1, -1, 0), _DENIED),
    Attack("changes the clock", "time.clock_settime(time.CLOCK_REALTIME, 0); print('ESCAPED')", _DENIED),
    Attack("changes the host name", "socket.sethostname('x'); print('ESCAPED')", _DENIED),
    Attack("restarts the machine", _call(169, 0xFEE1DEAD, 672274793, 0x1234567, 0), _DENIED),
    Attack("types into a terminal", "import fcntl; fcntl.ioctl(0, 0x5412, b'x'); print('ESCAPED')", _DENIED),
    Attack(
        "changes the core pattern",
        "open('/proc/sys/kernel/core_pattern', 'w').write('|/bin/sh'); print('ESCAPED')",
        _READ_ONLY,
    ),
    Attack(
        "uses the magic keys",
        "open('/proc/sysrq-trigger', 'w').write('b'); print('ESCAPED')",
        f"{_READ_ONLY}|{_NOT_THERE}",
    ),
    Attack(
        "calls by the 32-bit convention",
        "code = mmap.mmap(-1, 4096, prot=7); code.write(bytes.fromhex('b814000000cd80c3'))\n"
        "ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))(); print('ESCAPED')",
        "",
        ("signal",),
    ),
    Attack("calls by the x32 convention", _call(0x40000000 + 39), "", ("signal",)),
)

_NETWORK = (
    Attack("connects to the host", "socket.create_connection(('127.0.0.1', PORT)); print('ESCAPED')", _NO_FAMILY),
    Attack("connects by IPv6", "socket.socket(socket.AF_INET6); print('ESCAPED')", _NO_FAMILY),
    Attack(
        "reads the metadata server",
        "socket.create_connection(('169.254.169.254', 80), 2); print('ESCAPED')",
        _NO_FAMILY,
    ),
    Attack(
        "resolves a name", "socket.getaddrinfo('example.com', 80); print('ESCAPED')", "resolution|not known|failure"
    ),
    Attack("sends a datagram", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM); print('ESCAPED')", _NO_FAMILY),
    Attack("opens a raw socket", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); print('ESCAPED')", _NO_FAMILY),
    Attack("opens a packet socket", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW); print('ESCAPED')", _NO_FAMILY),
    Attack("talks to the kernel", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW); print('ESCAPED')", _NO_FAMILY),
    Attack("talks to the hypervisor", "socket.socket(socket.AF_VSOCK); print('ESCAPED')", _NO_FAMILY),
    Attack(
        "connects to an abstract socket",
        "socket.socket(socket.AF_UNIX).connect('\\0ABSTRACT_NAME'); print('ESCAPED')",
        f"refused|{_DENIED}",
    ),
    Attack(
        "connects to a socket's file",
        "socket.socket(socket.AF_UNIX).connect('SOCKET_PATH'); print('ESCAPED')",
        _NOT_THERE,
    ),
    Attack(
        "has network devices",
        "print('ESCAPED' if [n for _, n in socket.if_nameindex() if n != 'lo'] else 'none')",
        f"none|{_NO_FAMILY}",
    ),
)

_MEMORY_FLOOD = "blocks = []\nwhile True: blocks.append(b'x' * (4 << 20)); time.sleep(.03)"
_CHILDREN = """
for _ in range(10):
    if os.fork() == 0:
        block = b'x' * (16 << 20); time.sleep(60)
time.sleep(60)
"""
_SHARED = """
blocks = []
while True:
    block = mmap.mmap(-1, 16 << 20); block.write(b'x' * (16 << 20)); blocks.append(block); time.sleep(.03)
"""

_LOCK = "data = bytearray(1 << 20); " + _call(149, "ctypes.addressof(ctypes.c_char.from_buffer(data))", 1 << 20)

_STOPPED: Sequence[Reason] = ("processes", "memory", "time", "exit")
"""Too many processes: the supervisor stops them, or the kernel refuses more first and the command gives up."""

FLOODS = (
    Attack("forks", "while True: os.fork()", "", _STOPPED),
    Attack("forks in a shell", "os.execvp('sh', ['sh', '-c', 'f() { f|f& sleep 9; }; f'])", "", _STOPPED),
    Attack("starts threads", "while True: threading.Thread(target=time.sleep, args=(60,)).start()", "", ("processes",)),
    Attack("leaves zombies", "while True:\n    if os.fork() == 0: os._exit(0)", "", _STOPPED),
    Attack("takes memory", _MEMORY_FLOOD, "", ("memory",)),
    Attack("takes memory at once", "bytearray(8 << 30)", "MemoryError"),
    Attack("takes memory in many processes", _CHILDREN, "", ("memory",)),
    Attack("takes shared memory", _SHARED, "", ("memory",)),
    Attack("takes memory in a file", _call(319, "b'x'", 0), _DENIED),
    Attack("takes a shared segment", _call(29, 0, 1 << 20, 0o1600), _DENIED),
    Attack("makes a message queue", _call(240, "b'x'", 0o102, 0o600, 0), _DENIED),
    Attack("locks memory", _LOCK, f"Cannot allocate memory|{_DENIED}"),
    Attack("writes zeros", "f = open('zeros', 'wb')\nwhile True: f.write(bytes(1 << 20))", "", ("disk",)),
    Attack("writes zeros to /tmp", "f = open('/tmp/zeros', 'wb')\nwhile True: f.write(bytes(1 << 20))", "", ("disk",)),
    Attack("makes a sparse file", "open('sparse', 'wb').truncate(10 << 30); print('ESCAPED')", "File too large"),
    Attack("makes many files", "for n in range(1_000_000): open(f'{n}', 'w')", "", ("disk",)),
    Attack("makes many folders", "for n in range(1_000_000): os.mkdir(f'{n}')", "", ("disk",)),
    Attack("makes many links", "for n in range(1_000_000): os.symlink('x', f'{n}')", "", ("disk",)),
    Attack(
        "makes many names of a file", "open('a', 'w')\nfor n in range(1_000_000): os.link('a', f'{n}')", "", ("disk",)
    ),
    Attack("writes to shared memory", "open('/dev/shm/x', 'wb')", _NOT_THERE),
    Attack("floods its output", "while True: print('x' * 1000)", "xxx", ("output",)),
    Attack("floods its errors", "while True: print('x' * 1000, file=sys.stderr)", "xxx", ("output",)),
    Attack("loops", "while True: pass", "", ("time",)),
    Attack("sleeps", "time.sleep(1e6)", "", ("time",)),
    Attack("ignores signals", "[signal.signal(n, signal.SIG_IGN) for n in (1, 15)]; time.sleep(1e6)", "", ("time",)),
    Attack("closes its output and sleeps", "os.close(1); os.close(2); time.sleep(1e6)", "", ("time",)),
    Attack("opens many files", "files = []\nwhile True: files.append(os.open('/dev/null', 0))", "Too many open files"),
    Attack("recurses", "sys.setrecursionlimit(10**9); f = lambda *_: sorted('x', key=f); f()", "", ("signal",)),
)  # fmt: skip

ATTACKS = (*_FILES, *_SECRETS, *_PROCESSES, *_KERNEL, *_NETWORK, *FLOODS)
