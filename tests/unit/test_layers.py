# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who imports whom in module_utils and plugin_utils, what is imported for types alone included."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
OURS = "ansible_collections.fleetpki.host_trust.plugins."
# Each package imports those before it alone; several in one row do not import each other.
LAYERS = (("_failure",), ("_x509",), ("_host",), ("_verify",), ("_pki", "_trust", "_tls"),
          ("_nss", "_cert_install", "_tls_clients"))


def trees(folder="."):
    """The syntax trees of the files below a folder of plugins, with their paths."""
    for path in sorted((PLUGINS / folder).rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def classes():
    """All classes: (path, node)."""
    return [(path, node) for path, tree in trees() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


def packages(kind):
    """What each package, or file beside them, of a folder of plugins imports of that folder: {name: {name}}."""
    found = {}
    for path, tree in trees(kind):
        name = path.relative_to(PLUGINS / kind).parts[0].removesuffix(".py")
        found.setdefault(name, set())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OURS + kind):
                inside = node.module[len(OURS + kind):].split(".")[1:2]
                found[name] |= {inside[0]} if inside else {one.name for one in node.names}
    return {name: imported - {name} for name, imported in found.items()}


def test_what_runs_on_hosts_is_in_layers():
    imported = packages("module_utils")
    assert set(imported) == {name for layer in LAYERS for name in layer}
    below = set()
    for layer in LAYERS:
        assert {name: imported[name] - below for name in layer} == {name: set() for name in layer}
        below.update(layer)


@pytest.mark.parametrize("kind", ["module_utils", "plugin_utils"])
def test_no_package_is_imported_by_what_it_imports(kind):
    graphlib.TopologicalSorter(packages(kind)).prepare()


@pytest.mark.parametrize("kind", ["module_utils", "plugin_utils"])
def test_a_package_has_several_modules_with_plain_names(kind):
    """The underscore stands once, on what is private to this collection: a package, or a file that has none."""
    for path in (PLUGINS / kind).iterdir():
        assert path.name.startswith("_"), path
        if path.is_dir():
            modules = [one.name for one in path.iterdir() if one.name != "__pycache__"]
            assert len(modules) > 1 and not [name for name in modules if name.startswith("_")], path


def test_all_that_is_raised_has_one_base():
    """Failure: what ends modules knows no other. A class of ours that is an exception is one, or of one."""
    bases = {node.name: {ast.unparse(base).rpartition(".")[2] for base in node.bases} for _path, node in classes()}
    ours = {"Failure"}
    while more := {name for name, above in bases.items() if above & ours} - ours:
        ours |= more
    errors = {name for name, above in bases.items()
              if any(base in ("Exception", "BaseException") or base.endswith("Error") for base in above)}
    assert len(ours) > 20 and errors - ours == set()


def test_no_class_has_the_name_of_another():
    """But those that Ansible looks for by their names, and DOCUMENTATION's fragments."""
    named = {}
    for path, node in classes():
        named.setdefault(node.name, []).append(path.name)
    twice = {name: paths for name, paths in named.items() if len(paths) > 1}
    assert set(twice) == {"ActionModule", "FilterModule", "ModuleDocFragment"}


def test_modules_end_in_one_way():
    """main() is an AnsibleModule and how it is run: no errors are caught there."""
    for path, tree in trees("modules"):
        mains = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
        assert all(node.end_lineno - node.lineno < 8 for node in mains), path
        assert not any(isinstance(node, ast.Attribute) and node.attr == "fail_json" for node in ast.walk(tree)), path
        ends = [ast.unparse(node.body[-1].value.func) for node in mains]
        assert set(ends) <= {"run_module.run", "module_runner.run"}, path


def test_nobody_imports_controllers_code_on_hosts():
    for folder in ("module_utils", "modules"):
        for path in (PLUGINS / folder).rglob("*.py"):
            assert OURS + "plugin_utils" not in path.read_text(encoding="utf-8"), path


def test_imports_do_not_undo_an_underscore():
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OURS):
                assert not [one.name for one in node.names if one.name == f"_{one.asname}"], path
