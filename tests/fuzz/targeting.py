# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a parser of what others wrote becomes a target, with the errors that it may raise.

A target is a function of one input. Whatever the input, it returns, or raises an error that the parser documents, whose
words are harmless to a terminal. What a parser says of it is compared with pyca/cryptography, where that can read it.
"""

from __future__ import annotations

import collections.abc as c
import tempfile
import typing as t
import warnings
from pathlib import Path

import corpus
from hypothesis import strategies as st

NOW = corpus.NOW_SECONDS


class Target(t.NamedTuple):
    """A parser under fire. ``share`` is how many of the inputs it gets, beside the others'."""

    name: str
    inputs: st.SearchStrategy[t.Any]
    check: c.Callable[[t.Any], None]
    share: float = 1.0


def target(inputs: st.SearchStrategy[t.Any], refusals: tuple[type[Exception], ...] = (), share: float = 1.0):
    """Makes a Target of a function. refusals: what it may raise, with a sentence that is harmless."""
    def made(function: c.Callable[[t.Any], t.Any]) -> Target:
        def check(value: t.Any) -> None:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    said = function(value)
            except refusals as error:
                assert str(error), "an error that says nothing"
                said = str(error).split("\n")
            harmless(said)

        return Target(function.__name__, inputs, check, share)
    return made


def harmless(said: t.Any) -> None:
    """Fails for text that a terminal would not take for text, wherever it is inside of ``said``."""
    if isinstance(said, str):
        assert said.isprintable(), f"not harmless to a terminal: {said[:200]!r}"
    elif isinstance(said, dict):
        harmless([*said.keys(), *said.values()])
    elif isinstance(said, (list, tuple, set)):
        for one in said:
            harmless(one)


def scratch() -> Path:
    """The folder of this process for the parsers that read files themselves."""
    return Path(tempfile.gettempdir())


def file_of(data: bytes, name: str = "file") -> str:
    path = scratch() / name
    path.write_bytes(data)
    return str(path)
