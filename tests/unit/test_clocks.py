# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing reads the clock when Python imports it.

Pytest imports all test files before it runs the first test, and Ansible may keep a plugin loaded for hours. A time from
then, compared with the clock of now, makes a result depend on the delay between the two. So the clock is an argument:
functions take ``now``, and tests issue certificates as of the same moment with ``pki.At``.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path for folder in ("tests", "plugins", "roles", "molecule", "tools", "docs")
               for path in ROOT.glob(f"{folder}/**/*.py"))
CLOCKS = {
    *(f"time.{name}{unit}" for name in ("time", "monotonic", "perf_counter", "process_time") for unit in ("", "_ns")),
    "time.gmtime", "time.localtime", "time.ctime", "time.strftime",
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
}
SHORTEST = 60  # days that a certificate made at import is valid for after it, at least


def at_import(node):
    """Yields what runs when the module is imported: all but the bodies of functions."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
        for part in [*decorators, *node.args.defaults, *filter(None, node.args.kw_defaults)]:
            yield from at_import(part)
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from at_import(child)


def imported(tree):
    """The full name of each module and each name that the file imports, by what the file calls it."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update({one.asname or one.name: one.name for one in node.names})
        elif isinstance(node, ast.ImportFrom):
            found.update({one.asname or one.name: f"{node.module}.{one.name}" for one in node.names})
    return found


def is_long(days):
    """Whether a certificate with this argument ``days`` began a day ago or earlier and lasts for long."""
    try:
        begin, end = ast.literal_eval(days)
    except ValueError:
        return False
    return begin <= -1 and end >= SHORTEST


def readings(source):
    """(line, text) of each call at import that reads the clock, or counts a short validity from it."""
    tree = ast.parse(source)
    names = imported(tree)
    for node in at_import(tree):
        if not isinstance(node, ast.Call):
            continue
        first, dot, rest = ast.unparse(node.func).partition(".")
        called = names.get(first, first) + dot + rest
        arguments = {one.arg: one.value for one in node.keywords}
        reads = called in CLOCKS and (called != "time.strftime" or len(node.args) < 2) and not (
            called in ("time.gmtime", "time.localtime", "time.ctime") and node.args)
        counts = called.startswith("pki.") and "now" not in arguments and not is_long(
            arguments.get("days", ast.Constant((-1, SHORTEST))))
        if reads or counts:
            yield node.lineno, ast.unparse(node)


def test_no_file_reads_the_clock_at_import():
    assert len(FILES) > 300
    found = [f"{path.relative_to(ROOT)}:{line}: {text}" for path in FILES
             for line, text in readings(path.read_text(encoding="utf-8"))]
    assert found == [], "read the clock in the function or test that needs it:\n" + "\n".join(found)


@pytest.mark.parametrize("source", [
    "import time\nNOW = int(time.time())",
    "from time import time as clock\nclass A:\n    now = clock()",
    "import datetime as d\ndef f(now=d.datetime.now(d.timezone.utc)): pass",
    "from datetime import datetime\ndef f(*, now=datetime.utcnow()): pass",
    "import time\nf = lambda now=time.time(): now",
    "import time, pytest\n@pytest.mark.parametrize('now', [time.gmtime()])\ndef f(now): pass",
    "import datetime\nif True:\n    TODAY = datetime.date.today()",
    "import pki\nBAD = [(pki.root(days=(-9, -3)), 'expired')]",
    "import pki\nSPAN = (-1, 5)\nSOON = pki.server(days=SPAN)",
])
def test_each_way_to_read_it_at_import_is_found(source):
    assert len(list(readings(source))) == 1


@pytest.mark.parametrize("source", [
    "import time\ndef f():\n    return time.time()",
    "import time\nf = lambda: time.time()",
    "import time\nSTART = time.gmtime(0)\nclass A:\n    def f(self, clock=time.time):\n        return clock()",
    "import pki\nROOT = pki.root('Root')\nRENEWED = pki.root('Root', key=ROOT.key, days=(-2, 900))",
    "import pki\nat_now = pki.At(2000000000)\nOLD = at_now.root(days=(-9, -3))",
])
def test_what_runs_later_and_what_lasts_is_none(source):
    assert list(readings(source)) == []
