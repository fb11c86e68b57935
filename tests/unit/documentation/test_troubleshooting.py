# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/guides/troubleshooting.md quotes what the code says, and leaves out none of the errors that it raises."""

from __future__ import annotations

import documents
import pytest

PAGE = "docs/guides/troubleshooting.md"
MESSAGES = [token.content for cells in documents.rows(PAGE) for token in cells[0] if token.type == "code_inline"]
SAID = documents.sentences()
# Files whose errors are no sentences of their own: others catch them and say what they mean for the file or the server.
PARTS = {"_der.py", "_x509.py", "_keystore.py"}
CAUGHT = {"a path outside, or none", "not a regular file",  # by the function that has called
          "… is of no kind that RFC 5280 knows"}  # cryptography reads no other
LEAST = 4  # words, of an error that is looked for on the page


def is_sentence(said):
    """As opposed to a piece that another sentence goes on with."""
    return said[:1] not in ";:,(" and len([word for word in said.split() if "…" not in word]) >= LEAST


def fragments(message):
    """What of a message does not vary."""
    return [part for part in (part.strip(" .:;,") for part in message.split("…")) if part]


def explains(message, said):
    return all(part in said for part in fragments(message))


@pytest.mark.parametrize("message", MESSAGES)
def test_what_is_quoted_is_said(message):
    missing = [part for part in fragments(message) if not any(part in said for said in SAID)]
    assert not missing


def test_whole_sentences_are_quoted_once():
    assert len(MESSAGES) > 200 and len(set(MESSAGES)) == len(MESSAGES)


def test_every_error_is_explained():
    raised = [(path.name, said) for path in documents.plugins() if path.name not in PARTS
              for said, is_raised in documents.literals(path) if is_raised and is_sentence(said) and said not in CAUGHT]
    assert len(raised) > 100
    assert [f"{name}: {said}" for name, said in raised if not any(explains(one, said) for one in MESSAGES)] == []
