# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: fleetpki.host_trust contributors

"""Puts pip into a virtual environment that was made without, from the copy that Python itself carries.

ansible-test would download a script for this from a site of its own; tools/sanity.py gives it this one, so that
a run needs the package index and nothing else.
"""

import subprocess
import sys


def run_module(*arguments):
    """Run a module of this Python in a process of its own: ensurepip turns pip's settings off for all that follows."""
    subprocess.run([sys.executable, "-m", *arguments], check=True, stdout=subprocess.DEVNULL)


run_module("ensurepip")
run_module("pip", "install", *[argument for argument in sys.argv[1:] if not argument.startswith("-")])
