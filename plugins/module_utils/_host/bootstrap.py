# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""How code of ours runs on a host without Ansible's: this file, and the call that is put below it, are the program."""

import base64
import json
import sys
import types
import zlib

PACKAGE = "ansible_collections.fleetpki.host_trust.plugins.module_utils"
# -I: no module out of a folder that others may write to, least of all the one that it is started in. -S: nor pip's.
# -B: what is imported leaves no compiled files behind.
OPTIONS = "-I -B -S -"
MARK = "fleetpki.host_trust: "  # before the answer, for hosts whose shells say something of their own


def call(packed, function, arguments):  # type: (str, str, str) -> None
    """Prints what a function returns, behind MARK.

    packed: names (as _host.files) and sources of modules of PACKAGE, each after those that it imports, the function's
    the last one (JSON list of pairs, zlib, base64). arguments: the function's keyword arguments (JSON object).
    """
    module = sys.modules[PACKAGE] = types.ModuleType(PACKAGE)
    for name, source in json.loads(zlib.decompress(base64.b64decode(packed)).decode("ascii")):
        module = types.ModuleType("%s.%s" % (PACKAGE, name))
        parent, _dot, last = module.__name__.rpartition(".")
        package = sys.modules.setdefault(parent, types.ModuleType(parent))
        sys.modules[module.__name__] = module
        exec(compile(source, name + ".py", "exec"), module.__dict__)
        setattr(package, last, module)
    answer = json.dumps(getattr(module, function)(**json.loads(arguments)))
    sys.stdout.write("\n%s%s\n" % (MARK, answer))
