# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a function in a process of its own, and asks before each system call of it and its children that changes files.

The kernel holds the caller until it is answered (seccomp_unotify(2)), and all processes ask in one row. So the n-th
call is the n-th of them all, whoever makes it. With strace there is no such number: ``when`` counts for each process
and each kind of call by itself, so that most places in what a module runs can't be named.
Runs on test hosts, with their Python and libseccomp.
"""
from __future__ import annotations

import array
import contextlib
import ctypes
import fcntl
import os
import select
import signal
import socket
import struct
import traceback

CREATES = os.O_CREAT | os.O_TRUNC
WRITES = ((os.O_ACCMODE, os.O_WRONLY), (os.O_ACCMODE, os.O_RDWR), (os.O_CREAT, os.O_CREAT), (os.O_TRUNC, os.O_TRUNC))
# The number of the argument that is a path, or ("descriptor", its number).
PATHS = {
    "open": 0, "openat": 1, "creat": 0, "rename": 0, "renameat": 1, "renameat2": 1, "unlink": 0, "unlinkat": 1,
    "link": 1, "linkat": 3, "symlink": 1, "symlinkat": 2, "mkdir": 0, "mkdirat": 1, "rmdir": 0, "mknod": 0,
    "mknodat": 1, "chmod": 0, "fchmodat": 1, "fchmodat2": 1, "chown": 0, "lchown": 0, "fchownat": 1, "truncate": 0,
    "utimensat": 1, "utime": 0, "utimes": 0, "futimesat": 1, "setxattr": 0, "lsetxattr": 0, "removexattr": 0,
    "execve": 0,
}
DESCRIPTORS = {
    "write": 0, "pwrite64": 0, "writev": 0, "pwritev": 0, "fchmod": 0, "fchown": 0, "fsync": 0, "fdatasync": 0,
    "ftruncate": 0, "fallocate": 0, "fsetxattr": 0, "sendfile": 0, "copy_file_range": 2,
}
FLAGS = {"open": 1, "openat": 2}
ALLOW, NOTIFY = 0x7fff0000, 0x7fc00000
RECEIVE, RESPOND = 0xc0502100, 0xc0182101
REQUEST = struct.Struct("=QIIiIQ6Q")  # struct seccomp_notif
KILL_ALL, KILL_CALLER = "KILL_ALL", "KILL_CALLER"  # what may be decided, besides None and the number of an error
CONTINUE = 1
AT_CWD = -100
PR_SET_CHILD_SUBREAPER = 36

libseccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
libseccomp.seccomp_init.restype = ctypes.c_void_p
libseccomp.seccomp_init.argtypes = [ctypes.c_uint32]
libseccomp.seccomp_rule_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint]
libseccomp.seccomp_rule_add_array.argtypes = [*libseccomp.seccomp_rule_add.argtypes, ctypes.c_void_p]
libseccomp.seccomp_load.argtypes = libseccomp.seccomp_notify_fd.argtypes = [ctypes.c_void_p]
NAMES = {number: name for name, number in (
    (name, libseccomp.seccomp_syscall_resolve_name(name.encode())) for name in (*PATHS, *DESCRIPTORS)) if number >= 0}


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp: an argument, masked, is a value."""

    MASKED_EQUAL = 7
    _fields_ = [("argument", ctypes.c_uint), ("how", ctypes.c_int), ("mask", ctypes.c_uint64),
                ("value", ctypes.c_uint64)]


class Call:
    """A system call that waits for its answer."""

    def __init__(self, request: bytes, module: int) -> None:
        self.identity, self.pid, _flags, number, _arch, _pointer, *self.arguments = REQUEST.unpack(request)
        self.name = NAMES[number]
        self.module, self.by_module = module, self.pid == module
        self.path = self._path()
        flags = self.arguments[FLAGS[self.name]] if self.name in FLAGS else CREATES
        self.reads = self.name == "execve" or flags & (os.O_ACCMODE | CREATES) == os.O_RDONLY

    def _path(self) -> str:
        try:
            if self.name in DESCRIPTORS:
                number = self.arguments[DESCRIPTORS[self.name]] & 0xffffffff
                return os.readlink(f"/proc/{self.pid}/fd/{number}")
            with open(f"/proc/{self.pid}/mem", "rb", 0) as memory:
                memory.seek(self.arguments[PATHS[self.name]])
                path = os.fsdecode(memory.read(4096).partition(b"\0")[0])
            return os.path.normpath(os.path.join(os.readlink(f"/proc/{self.pid}/{self._folder()}"), path))
        except OSError:
            return "?"

    def _folder(self) -> str:
        """What a path belongs to: a folder's descriptor goes before it in the calls that end with "at"."""
        number = ctypes.c_int(self.arguments[PATHS[self.name] - 1] & 0xffffffff).value if "at" in self.name else AT_CWD
        return "cwd" if self.name == "creat" or number == AT_CWD else f"fd/{number}"

    def who(self) -> str:
        """The name of the process, for people."""
        if self.by_module:
            return "the module"
        with open(f"/proc/{self.pid}/comm", encoding="utf-8") as stream:
            return stream.read().strip()

    def __str__(self) -> str:
        return f"{self.name} {self.path} by {self.who()}"


def run(function, decide=None, reads=False) -> tuple[int, str, str]:
    """Calls ``function`` in a child; (how it ended as os.waitpid tells, its standard output, its standard error).

    decide(Call) is asked before each call, if given: None lets it be, a number is the errno that it fails with,
    KILL_ALL and KILL_CALLER kill before it. With ``reads`` that is asked before what only opens a file, or runs a
    program, too. It returns when all processes are gone, orphans as well.
    """
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    said, complained = os.memfd_create("said"), os.memfd_create("complained")
    ours, theirs = socket.socketpair()
    module = os.fork()
    if module == 0:
        _child(function, theirs if decide else None, reads, said, complained)
    theirs.close()
    try:
        if decide:
            listener = _received(ours)
            with contextlib.closing(os.fdopen(listener, "rb", 0)):
                ended = _supervise(listener, module, decide)
        else:
            ended = os.waitpid(module, 0)[1]
        return (ended, *(_content(descriptor) for descriptor in (said, complained)))
    finally:
        ours.close()
        os.close(said)
        os.close(complained)




def _child(function, theirs: socket.socket | None, reads: bool, said: int, complained: int) -> None:
    """The child's part; it never returns."""
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, descriptor in enumerate((nothing, said, complained)):
            os.dup2(descriptor, number)
        if theirs:
            listener = _installed(reads)
            theirs.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))])
            os.close(listener)
            theirs.close()
        function()
    except BaseException:
        os.write(2, traceback.format_exc().encode())
        os._exit(70)
    os._exit(0)


def _installed(reads: bool) -> int:
    """Has the kernel ask for this process and what it starts; the descriptor that it asks through."""
    wanted = libseccomp.seccomp_init(ALLOW)
    for number, name in NAMES.items():
        if name in FLAGS and not reads:
            for mask, value in WRITES:
                only = Comparison(FLAGS[name], Comparison.MASKED_EQUAL, mask, value)
                _check(libseccomp.seccomp_rule_add_array(wanted, NOTIFY, number, 1, ctypes.byref(only)))
        elif reads or name != "execve":
            _check(libseccomp.seccomp_rule_add(wanted, NOTIFY, number, 0))
    _check(libseccomp.seccomp_load(wanted))
    return libseccomp.seccomp_notify_fd(wanted)


def _check(code: int) -> None:
    if code:
        raise OSError(-code, os.strerror(-code))


def _received(ours: socket.socket) -> int:
    _data, ancillary, _flags, _address = ours.recvmsg(1, socket.CMSG_SPACE(4))
    return array.array("i", ancillary[0][2][:4])[0]


def _supervise(listener: int, module: int, decide) -> int:
    """Answers until nobody is left to ask; returns how the module ended."""
    ended = None
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        events = poll.poll(20)
        for pid, status in _reaped():
            ended = status if pid == module else ended
        if events and events[0][1] & select.POLLIN:
            request = bytearray(REQUEST.size)
            try:
                fcntl.ioctl(listener, RECEIVE, request)
            except OSError:  # it was killed meanwhile
                continue
            _answer(listener, Call(request, module), module, decide)
        elif events:  # nobody has the filter any more
            return ended if ended is not None else os.waitpid(module, 0)[1]


def _answer(listener: int, call: Call, module: int, decide) -> None:
    verdict = decide(call)
    if verdict == KILL_ALL:
        _kill_all(module)
    elif verdict == KILL_CALLER:
        os.kill(call.pid, signal.SIGKILL)
    if verdict in (KILL_ALL, KILL_CALLER):
        return  # with an answer, the call might still be carried out before the process ends
    answer = struct.pack("=QqiI", call.identity, 0, *((-verdict, 0) if isinstance(verdict, int) else (0, CONTINUE)))
    try:
        fcntl.ioctl(listener, RESPOND, answer)
    except FileNotFoundError:
        pass  # it was killed


def _reaped():
    """(process, how it ended) of each child and orphan that has."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        yield pid, status


def _kill_all(module: int) -> None:
    """The module first, so that nobody notices the death of a child and does something about it."""
    for pid in [module, *_descendants(os.getpid())]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def _descendants(of: int) -> list[int]:
    try:
        with open(f"/proc/{of}/task/{of}/children", encoding="ascii") as stream:
            children = [int(pid) for pid in stream.read().split()]
    except OSError:
        return []
    return children + [pid for child in children for pid in _descendants(child)]


def _content(descriptor: int) -> str:
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        stream.seek(0)
        return stream.read().decode("utf-8", "replace")
