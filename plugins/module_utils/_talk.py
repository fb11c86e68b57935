# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""A command that is told something and listened to: its output and its time are bounded."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import contextlib
import os
import selectors
import signal
import subprocess
import time
import typing as t

MAX_BYTES = 64 * 1024


def run(
    command: "t.List[str]", words: bytes, seconds: float, until: "t.Optional[t.Pattern[bytes]]" = None
) -> "t.Tuple[t.Optional[int], bytes, bytes]":
    """(exit code, bytes of stdout, bytes of stderr) of a command that is told ``words`` (bytes).

    The code is None where it was ended here: when stdout has what is looked for (``until``, a compiled pattern), after
    ``seconds``, or with MAX_BYTES of output. It gets a session of its own.
    """
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=dict(os.environ, LC_ALL="C"), start_new_session=True, bufsize=0)
    stdin, stdout, stderr = (t.cast(t.IO[bytes], stream) for stream in (process.stdin, process.stdout, process.stderr))
    heard = {stdout: b"", stderr: b""}
    try:
        with contextlib.suppress(BrokenPipeError):
            stdin.write(words)
            stdin.close()
        over = _listen(heard, time.monotonic() + seconds, lambda: until and until.search(heard[stdout]))
        code = process.wait(timeout=1) if over else None
    except subprocess.TimeoutExpired:
        code = None  # it has closed its output and goes on
    finally:
        if process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        stdout.close()
        stderr.close()
    return code, heard[stdout], heard[stderr]


def _listen(heard: "t.Dict[t.IO[bytes], bytes]", end: float, enough: "t.Callable[[], t.Any]") -> bool:
    """Reads {stream: bytes} until all streams end; whether they do, before ``end``, ``enough()`` and MAX_BYTES."""
    with selectors.DefaultSelector() as selector:
        for stream in heard:
            selector.register(stream, selectors.EVENT_READ, stream)
        while selector.get_map():
            ready = selector.select(max(end - time.monotonic(), 0))
            if not ready:
                return False
            for key, _events in ready:
                data = os.read(key.fd, MAX_BYTES)
                heard[key.data] += data
                if not data:
                    selector.unregister(key.fileobj)
                elif enough() or sum(len(said) for said in heard.values()) > MAX_BYTES:
                    return False
    return True
