# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""A host's answer is data: it is read against the RETURN of the module that was run, and nothing else of it is kept.

Root on a host decides what its Python prints. Ansible takes ``ansible_facts`` of any answer as variables of the host,
which outrank the inventory, so an answer must not get to Ansible as it came.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import functools
import math
import re
import typing as t
from pathlib import Path

from ansible.module_utils.common.yaml import yaml_load

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509

Answer = dict[str, t.Any]

# The bounds of an answer. 2,000 anchors, or 64 MiB of certificates in one file, are far below them.
MOST_ELEMENTS = 20_000             # of a list or a dictionary
MOST_VALUES = 500_000              # in all
MOST_CHARACTERS = 128 * 1024 ** 2  # in all
LONGEST_NAME = 4096                # of a key
LONGEST_MESSAGE = 1024 ** 2        # of what is shown and not used; longer ones are cut
DEEPEST = 12                       # where the documentation does not say what is in it
LARGEST_NUMBER = 2 ** 63

TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,), "bool": (bool,), "int": (int,), "float": (float, int), "list": (list, tuple), "dict": (dict,),
    "flag": (bool, int)}  # a number in older versions of ansible-core, true or false in newer ones
WORDS = {"str": "text", "bool": "true or false", "int": "a whole number", "float": "a number", "list": "a list",
         "dict": "a dictionary", "flag": "true or false"}


class Wrong(Failure, ValueError):
    """An answer that the module can't have given; the message says which value, and what is wrong with it."""


class Incomplete(Wrong):
    """An answer that lacks what the module always gives: it may be another module's."""


class Shape(t.NamedTuple):
    """What a value may be."""

    kind: str                         # one of TYPES
    null: bool = True                 # whether it may be null
    needed: bool = False              # whether an answer that is no failure must have it
    elements: Shape | None = None     # of a list
    keys: dict[str, Shape] | None = None  # of a dictionary whose keys are documented; others are dropped
    values: tuple[Shape, ...] = ()    # of a dictionary with any keys, or of a list: what is in it may be one of these
    choices: tuple[str, ...] = ()     # of a text: all that it may be, where there are few


TEXT = Shape("str")
TEXTS = Shape("list", elements=TEXT)
ANYTHING = tuple(Shape(kind) for kind in TYPES if kind != "flag")
# What modules answer with besides, and what Ansible makes of it.
OWN = {
    "changed": Shape("bool", null=False), "failed": Shape("bool", null=False), "rc": Shape("int"),
    "diff": Shape("dict", values=(TEXT,)), "invocation": Shape("dict", values=ANYTHING),
    "missing_packages": TEXTS,
}
ASYNC = {"ansible_job_id": TEXT, "results_file": TEXT, "started": Shape("flag"), "finished": Shape("flag")}
# Of values that are called so, in any answer.
TIME = re.compile(r"\d{1,4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII), "a time such as 2027-05-01T00:00:00Z"
FORMATS = {"fingerprint_sha256": (re.compile("[0-9a-f]{64}"), "64 hexadecimal digits"),
           "not_before": TIME, "not_after": TIME}
SHOWN = ("msg", "exception", "module_stdout", "module_stderr")  # text that people read and nothing depends on


@functools.cache
def documented(module: str) -> Shape:
    """The Shape of a module's answer, by its RETURN.

    Once a process: an action plugin asks when it is imported, which is before Ansible makes a process for each host.
    """
    source = Path(__file__).parents[2].joinpath("modules", f"{module}.py").read_text(encoding="utf-8")
    found = re.search(r'^RETURN = r"""\n(.*?)^"""', source, re.MULTILINE | re.DOTALL)
    keys = yaml_load(found[1]) if found else {}
    return Shape("dict", False, True, keys={**OWN, **{name: _shape(key) for name, key in keys.items()}})


def _shape(key: dict[str, t.Any]) -> Shape:
    """The Shape that a key of RETURN describes."""
    kind, contains, sample = key["type"], key.get("contains"), key.get("sample")
    described = " ".join(key["description"] if isinstance(key["description"], list) else [key["description"]])
    shape = Shape(kind, null="V(null)" in described, choices=tuple(key.get("choices", ())),
                  needed=key.get("returned", "always") in ("always", "success"))
    keys = {name: _shape(one) for name, one in contains.items()} if contains else None
    if kind == "dict" and keys and sample and not set(sample) & set(keys):
        return shape._replace(values=(Shape(kind, False, keys=keys),))  # records by names that are anything
    if kind == "dict":
        # Without ``contains`` the keys are anything, such as paths, and the values as those of the sample.
        return shape._replace(keys=keys, values=() if keys else _like(sample.values() if sample else ()))
    if kind == "list" and key["elements"] == "dict":
        element = Shape("dict", False, keys=keys, values=() if keys else _like(
            value for one in sample or () for value in one.values()))
        return shape._replace(elements=element)
    return shape._replace(elements=Shape(key["elements"], False) if kind == "list" else None)


def _like(samples: c.Iterable[t.Any]) -> tuple[Shape, ...]:
    """What the values of a dictionary may be, of which there are samples."""
    kinds = {next(kind for kind, types in TYPES.items() if type(one) in types): one
             for one in samples if one is not None}
    return tuple(Shape(kind, values=_like(one.values()) if kind == "dict" else _like(one) if kind == "list" else ())
                 for kind, one in kinds.items()) or ANYTHING


class SizeBudget:
    """How much of an answer has been read."""

    def __init__(self) -> None:
        self.values = self.characters = 0

    def spend(self, values: int, characters: int = 0) -> None:
        """Raises Wrong where the whole answer is too large."""
        self.values += values
        self.characters += characters
        if self.values > MOST_VALUES or self.characters > MOST_CHARACTERS:
            raise Wrong(f"it is too large: more than {MOST_VALUES:,} values, or more than "
                        f"{MOST_CHARACTERS // 1024 ** 2} MiB of text")


def extended(shape: Shape, **more: Shape) -> Shape:
    """The same with further keys, which a module's action plugin reads."""
    return shape._replace(keys={**(shape.keys or {}), **more})


def optional(shape: Shape) -> Shape:
    """The same for a module that also answers with less: nothing has to be there."""
    return shape._replace(keys={name: key._replace(needed=False) for name, key in (shape.keys or {}).items()})


def checked(answer: t.Any, shape: Shape) -> Answer:
    """What an answer says in a module's own words: keys that it does not have are dropped, texts for people are cut.

    Raises Wrong for a value of another type or size than documented, Incomplete for one that is missing.
    """
    if not isinstance(answer, dict):
        raise Incomplete(f"it is {_described(answer)}, and no dictionary")
    budget, failed = SizeBudget(), answer.get("failed") is True
    shown = {name: _cut(answer[name]) for name in SHOWN if answer.get(name)}
    kept: Answer = {name: one for name, one in shown.items() if one is not None}
    for name in ("warnings", "deprecations"):
        if answer.get(name):
            kept[name] = _messages(name, answer[name])
    for name, key in (shape.keys or {}).items():
        if name not in kept and name in answer:
            # A module that fails gives little of what it gives else, and null for the rest of it.
            kept[name] = _value(answer[name], key._replace(null=key.null or failed), name, budget)
        elif key.needed and name not in answer and not failed:
            raise Incomplete(f"{name} is missing")
    return kept


def _value(value: t.Any, shape: Shape, name: str, budget: SizeBudget, depth: int = 0) -> t.Any:
    """A value as it is, without keys that are not documented; raises Wrong."""
    if value is None:
        if not shape.null:
            raise Wrong(f"{name} is null, and is to be {WORDS[shape.kind]}")
        return None
    if not _is(value, shape.kind):
        raise Wrong(f"{name} is {_described(value)}, and is to be {WORDS[shape.kind]}")
    if depth > DEEPEST:
        raise Wrong(f"{name} is too deep: more than {DEEPEST} levels")
    if shape.kind in ("list", "dict"):
        budget.spend(len(value))
        if len(value) > MOST_ELEMENTS:
            raise Wrong(f"{name} is too large: {len(value):,} elements, and at most {MOST_ELEMENTS:,} are read")
    if shape.kind == "str":
        budget.spend(1, len(value))
        if shape.choices and value not in shape.choices:
            raise Wrong(f"{name} is {_described(value)}, and is to be {' or '.join(shape.choices)}")
        wanted = FORMATS.get(name.rpartition(".")[2])
        if wanted and not wanted[0].fullmatch(value):
            raise Wrong(f"{name} is {_described(value)}, and is to be {wanted[1]}")
    elif shape.kind == "list":
        return [_element(one, shape, f"{name}[{number}]", budget, depth + 1) for number, one in enumerate(value)]
    elif shape.kind == "dict":
        return _dictionary(value, shape, name, budget, depth)
    return value


def _element(value: t.Any, shape: Shape, name: str, budget: SizeBudget, depth: int) -> t.Any:
    """The same for what is in a list or a dictionary, of which there is one Shape or a choice of them."""
    if shape.elements:
        return _value(value, shape.elements, name, budget, depth)
    fitting = next((one for one in shape.values if value is None or _is(value, one.kind)), None)
    if shape.values and fitting is None:
        words = " or ".join(WORDS[one.kind] for one in shape.values)
        raise Wrong(f"{name} is {_described(value)}, and is to be {words}")
    # What is in a value that may be anything may be anything, too.
    own = fitting or next(one for one in ANYTHING if value is None or _is(value, one.kind))
    return _value(value, own if own.keys or own.values else own._replace(values=ANYTHING), name, budget, depth)


def _dictionary(value: Answer, shape: Shape, name: str, budget: SizeBudget, depth: int) -> Answer:
    if shape.keys is None:
        for key in value:
            if not isinstance(key, str) or len(key) > LONGEST_NAME:
                raise Wrong(f"{name} has a key that is {_described(key)}, and is to be a short text")
        budget.spend(0, sum(map(len, value)))
        return {key: _element(one, shape, f"{name}[{x509.printable(key)[:80]}]", budget, depth + 1)
                for key, one in value.items() if not key.startswith("_ansible_")}
    found = {}
    for key, one in shape.keys.items():
        if key in value:
            found[key] = _value(value[key], one, f"{name}.{key}", budget, depth + 1)
        elif one.needed:
            raise Incomplete(f"{name}.{key} is missing")
    return found


def _is(value: t.Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind in ("bool", "flag")
    if isinstance(value, (int, float)):
        return isinstance(value, TYPES[kind]) and math.isfinite(value) and abs(value) < LARGEST_NUMBER
    return isinstance(value, TYPES[kind])


def _described(value: t.Any) -> str:
    """What a value is, with as much of it as can be read."""
    if value is None:
        return "null"
    if isinstance(value, (list, tuple, dict)):
        return f"{'a dictionary' if isinstance(value, dict) else 'a list'} of {len(value):,}"
    if isinstance(value, (str, bool, float)) or isinstance(value, int) and abs(value) < LARGEST_NUMBER:
        shown = x509.printable(str(value)[:80])
        return f"the text '{shown}'" if isinstance(value, str) else shown
    return "too large a number" if isinstance(value, int) else "of a type that JSON does not have"


# --- text that is shown, and what newer versions of ansible-core have in its place ---

def _cut(value: t.Any) -> t.Any:
    """A text of a length that can be shown, without what a terminal would carry out; None for what is none."""
    if isinstance(value, str):
        whole = len(value) <= LONGEST_MESSAGE
        return x509.printable_lines((value if whole else value[:LONGEST_MESSAGE] + "…").replace("\t", " "))
    if not _is_message(value):
        return None
    return value if all(map(_harmless, _texts(dataclasses.asdict(value)))) else _cut(value.event.msg)


def _is_message(value: t.Any) -> bool:
    """Whether it is a message of ansible-core's own classes (2.19 and later), which check their types themselves."""
    return dataclasses.is_dataclass(value) and type(value).__module__.startswith("ansible.") and hasattr(value, "event")


def _texts(value: t.Any) -> c.Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def _harmless(text: str) -> bool:
    return len(text) <= LONGEST_MESSAGE and text.replace("\n", "").replace("\t", "").isprintable()


def _messages(name: str, value: t.Any) -> list[t.Any]:
    """Warnings or deprecations, of which those are dropped that Ansible could not show."""
    listed = value[:MOST_ELEMENTS] if isinstance(value, (list, tuple)) else []
    if name == "deprecations":
        listed = [_deprecation(one) for one in listed]
    return [one for one in (one if isinstance(one, dict) else _cut(one) for one in listed) if one is not None]


def _deprecation(value: t.Any) -> t.Any:
    """A deprecation as older versions of ansible-core have it, with nothing but short texts in it."""
    if not isinstance(value, dict):
        return value if _is_message(value) else None
    found = {key: _cut(value[key]) for key in ("msg", "version", "date", "collection_name")
             if isinstance(value.get(key), str)}
    return found if "msg" in found else None
