# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be at a path instead of a file that one can use, and how long one may wait for it."""
import contextlib
import os
import signal
import socket
import time

HUGE = 10 * 1024 ** 3
SECONDS = 10  # no more than one of them is work; a machine may be busy
NOT_REGULAR, MISSING, CLOSED = "not a regular file", "no such file", "Permission denied"
KINDS = {"fifo": NOT_REGULAR, "device": NOT_REGULAR, "folder": NOT_REGULAR, "socket": "No such device",
         "huge": "larger", "loop": "Too many levels of symbolic links", "closed": CLOSED, "dangling": MISSING}


@contextlib.contextmanager
def as_nobody(needed=True):
    """Without the rights of root, which may read everything."""
    if os.geteuid() != 0 or not needed:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@contextlib.contextmanager
def soon():
    """Fails where something is waited for or works for long."""
    def late(*_):
        raise AssertionError("it takes longer than %d s" % SECONDS)

    before, begin = signal.signal(signal.SIGALRM, late), time.process_time()
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.process_time() - begin < 1


def make(kind, path):
    """Puts something at a path that nobody can use."""
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        os.mkdir(path)
    elif kind == "socket":
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
            listener.bind(path)
    elif kind in ("device", "loop", "dangling"):
        os.symlink({"device": "/dev/zero", "loop": path, "dangling": path + ".not"}[kind], path)
    else:
        with open(path, "wb") as stream:
            stream.truncate(HUGE if kind == "huge" else 0)
        os.chmod(path, 0o644 if kind == "huge" else 0)
    return path
