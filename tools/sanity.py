# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: fleetpki.host_trust contributors

"""Runs ansible-test's sanity tests on a copy of this checkout, at the path that ansible-test insists on.

Everything that ansible-test keeps goes into a home below .build, and nothing into the user's own. Both are of one
Python, so that two may be at work at the same time.
Arguments are passed on: `python tools/sanity.py --test validate-modules`.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import types

import checkout
from ansible_test._internal.python_requirements import get_venv_packages

ROOT = checkout.ROOT
PYTHON = "{}.{}".format(*sys.version_info)
HOME = ROOT / ".build/sanity" / PYTHON / "home"
COLLECTION = ROOT / ".build/sanity" / PYTHON / "ansible_collections/fleetpki/host_trust"


def copy_checkout():
    """Copy this checkout into a repository of its own: ansible-test asks git what to look at."""
    shutil.rmtree(COLLECTION, ignore_errors=True)
    checkout.copy(COLLECTION)
    subprocess.run(["git", "init", "--quiet", COLLECTION], check=True)


def furnish_home():
    """Give the home folder what ansible-test's pip looks for there: a bootstrap, the user's settings and cache."""
    version = get_venv_packages(types.SimpleNamespace(version=PYTHON))["pip"]
    bootstrap = HOME / ".ansible/test/cache/get_pip_{}.py".format(version.replace(".", "_"))
    bootstrap.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "tools/get_pip.py", bootstrap)
    for folder in ".config/pip", ".cache/pip":
        (HOME / folder).parent.mkdir(exist_ok=True)
        if not (HOME / folder).is_symlink():
            (HOME / folder).symlink_to(pathlib.Path.home() / folder)
    (HOME / ".pip").mkdir(exist_ok=True)
    (HOME / ".pip/pip.conf").write_text("[global]\nquiet = 2\n")


copy_checkout()
furnish_home()
command = ["ansible-test", "sanity", "--local", "--requirements", "--python", PYTHON, "--color", "no", *sys.argv[1:]]
path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
environment = {**os.environ, "HOME": str(HOME), "PATH": path}
sys.exit(subprocess.run(command, cwd=COLLECTION, env=environment, check=False).returncode)
