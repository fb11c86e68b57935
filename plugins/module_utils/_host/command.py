# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""A program that is run, told something and listened to; how long it may take and how much it may say is bounded.

AnsibleModule.run_command knows neither bound.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import time
import typing as t

SECONDS = 60  # no single answer takes longer, unless something hangs
MAX_BYTES = 16 * 1024 * 1024  # keytool prints 2 kB for each anchor
SERVERS_BYTES = 64 * 1024  # of what prints what a server sends, which may be without end
READ_BYTES = 64 * 1024

if t.TYPE_CHECKING:
    Running = subprocess.Popen[bytes]
else:
    Running = subprocess.Popen


class _Command(Running):
    """One that did not come to its end by itself is ended where a ``with`` ends."""

    leads, over = False, False  # whether it has a session of its own; whether it has ended, and all that it writes to

    def __exit__(self, *problem: t.Any) -> None:
        if not self.over:
            with contextlib.suppress(OSError):
                # With its children, which could hold what it writes to open.
                os.killpg(self.pid, signal.SIGKILL) if self.leads else self.kill()
        super().__exit__(*problem)


def run(
    command: "t.Sequence[t.Union[str, bytes]]",
    words: bytes = b"",
    seconds: float = SECONDS,
    until: "t.Optional[t.Pattern[bytes]]" = None,
    most: int = MAX_BYTES,
    **options: t.Any
) -> "t.Tuple[t.Optional[int], bytes, bytes]":
    """(exit code, bytes of stdout, bytes of stderr) of a command that is told ``words`` (bytes).

    The code is None where it was ended here: when stdout has what is looked for (``until``, a compiled pattern), after
    ``seconds``, or with more than ``most`` bytes of output. It speaks English, and gets a session of its own, so that
    it has no terminal to ask for a passphrase; ``options`` of subprocess.Popen say otherwise.
    Raises OSError where it can't be started.
    """
    given = dict({"stderr": subprocess.PIPE, "start_new_session": True, "env": dict(os.environ, LC_ALL="C")}, **options)
    with _Command(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, **given) as process:
        process.leads, end = given["start_new_session"], time.monotonic() + seconds
        stdin, stdout = t.cast(t.IO[bytes], process.stdin), t.cast(t.IO[bytes], process.stdout)
        heard = {stream: bytearray() for stream in (stdout, process.stderr) if stream}

        def enough() -> bool:
            return sum(len(said) for said in heard.values()) > most or bool(until and until.search(heard[stdout]))

        code = None
        if _talk(stdin, words, heard, end, enough):
            with contextlib.suppress(subprocess.TimeoutExpired):  # it has closed its output and goes on
                code = process.wait(timeout=max(end - time.monotonic(), 1))
        process.over = code is not None
    return code, bytes(heard[stdout]), bytes(heard[process.stderr]) if process.stderr else b""


def _talk(
    stdin: "t.IO[bytes]",
    words: bytes,
    heard: "t.Dict[t.IO[bytes], bytearray]",
    end: float,
    enough: "t.Callable[[], bool]",
) -> bool:
    """Writes ``words`` and reads until all streams end; whether they do before ``end`` and ``enough()``."""
    left = memoryview(words)
    with selectors.DefaultSelector() as selector:
        for stream in heard:
            selector.register(stream, selectors.EVENT_READ)
        os.set_blocking(stdin.fileno(), False)
        selector.register(stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            ready = selector.select(max(end - time.monotonic(), 0))
            if not ready:
                return False
            for key, _events in ready:
                if key.fileobj is stdin:
                    left = _told(stdin, left)
                    if not left:
                        selector.unregister(stdin)
                        stdin.close()
                    continue
                data = os.read(key.fd, READ_BYTES)
                heard[t.cast(t.IO[bytes], key.fileobj)] += data
                if not data:
                    selector.unregister(key.fileobj)
                elif enough():
                    return False
    return True


def _told(stdin: "t.IO[bytes]", left: memoryview) -> memoryview:
    """What is left to be said after as much as fits in; nothing to one that does not listen any more."""
    try:
        return left[os.write(stdin.fileno(), left):] if left else left
    except BrokenPipeError:
        return left[:0]
