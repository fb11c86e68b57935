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

MAX_BYTES = 64 * 1024


def run(command, words, seconds, until=None):
    """(exit code, bytes of stdout, bytes of stderr) of a command that is told ``words`` (bytes).

    The code is None where it was ended here: when stdout has what is looked for (``until``, a compiled pattern), after
    ``seconds``, or with MAX_BYTES of output. It gets a session of its own.
    """
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=dict(os.environ, LC_ALL="C"), start_new_session=True, bufsize=0)
    heard = {process.stdout: b"", process.stderr: b""}
    try:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(words)
            process.stdin.close()
        over = _listen(heard, time.monotonic() + seconds, lambda: until and until.search(heard[process.stdout]))
        code = process.wait(timeout=1) if over else None
    except subprocess.TimeoutExpired:
        code = None  # it has closed its output and goes on
    finally:
        if process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
        process.stderr.close()
    return code, heard[process.stdout], heard[process.stderr]


def _listen(heard, end, enough):
    """Reads {stream: bytes} until all streams end; whether they do, before ``end``, ``enough()`` and MAX_BYTES."""
    with selectors.DefaultSelector() as selector:
        for stream in heard:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(end - time.monotonic(), 0))
            if not ready:
                return False
            for key, _events in ready:
                data = os.read(key.fd, MAX_BYTES)
                heard[key.fileobj] += data
                if not data:
                    selector.unregister(key.fileobj)
                elif enough() or sum(len(said) for said in heard.values()) > MAX_BYTES:
                    return False
    return True
