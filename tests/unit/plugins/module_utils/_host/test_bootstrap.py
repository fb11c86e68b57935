# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our code on a host without Ansible's: a program on standard input, as a shell there would start it."""
import base64
import io
import json
import subprocess
import sys
import zlib

import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import bootstrap

FIRST = ("_one.first", "def twice(number):\n    return 2 * number\n")
SECOND = ("_two.second", "from %s._one import first\n\n"
          "def told(name, number):\n    return [name, first.twice(number)]\n" % bootstrap.PACKAGE)


def run(sources, folder, **arguments):
    """What the program prints, and the last line of its complaints."""
    packed = base64.b64encode(zlib.compress(json.dumps(sources).encode("ascii"))).decode("ascii")
    with io.open(bootstrap.__file__.replace(".pyc", ".py"), encoding="ascii") as source:
        text = "%s\n\ncall(%r, 'told', %r)\n" % (source.read(), packed, json.dumps(arguments))
    done = subprocess.run([sys.executable] + bootstrap.OPTIONS.split(), input=text.encode("ascii"), cwd=str(folder),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return done.stdout.decode("ascii"), done.stderr.decode("utf-8").strip().split("\n")[-1]


def test_it_prints_what_a_function_of_our_modules_returns(tmp_path):
    # Whoever may write where it is started must not get his code run.
    (tmp_path / "json.py").write_text("raise SystemExit('his code')\n")
    said, complaint = run([FIRST, SECOND], tmp_path, name=u"Root \u00c5 'CA' \"\\", number=21)
    assert complaint == "" and said.splitlines()[-1].startswith(bootstrap.MARK)
    assert json.loads(said.splitlines()[-1][len(bootstrap.MARK):]) == [u"Root \u00c5 'CA' \"\\", 42]


@pytest.mark.parametrize("sources, complaint", [
    ([SECOND], "_one"),
    ([("_one.first", "import ansible"), SECOND], "ansible"),
    ([("_one.first", "twice = 1"), SECOND], "not callable"),
    ([FIRST], "told"),
    ([], "told"),
])
def test_it_says_nothing_where_something_is_missing(sources, complaint, tmp_path):
    said, complained = run(sources, tmp_path, name="", number=1)
    assert said == "" and complaint in complained and "Error" in complained
