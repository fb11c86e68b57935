# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/guides/troubleshooting.md quotes what the code says, and leaves out nothing that tells what is wrong."""

from __future__ import annotations

from pathlib import Path

import ansible
import documents
import pytest

PAGE = "docs/guides/troubleshooting.md"
MESSAGES = [token.content for cells in documents.rows(PAGE) for token in cells[0] if token.type == "code_inline"]
SAID = documents.sentences() + [  # and Ansible's own words, where users ask us what they mean
    said for name in ("modules/file.py", "parsing/vault/__init__.py")
    for said, _raised in documents.literals(Path(ansible.__file__).parent / name)]
# Files whose errors are no sentences of their own: others catch them and say what they mean for the file or the server.
PARTS = {"_x509/der.py", "_x509/certificate.py", "_trust/jks.py", "_x509/loadable.py"}
CAUGHT = {"a path outside, or none", "not a regular file",  # by the function that has called
          "… is of no kind that RFC 5280 knows"}  # cryptography reads no other
# Files that say what is wrong without raising an error.
SAYING = {"_host/file_attributes.py", "_pki/issuing_ca.py", "_tls/handshake.py", "_tls/http1.py",
          "_tls/presented_chain.py", "_verify/reasons.py", "plugin_utils/_tls_matrix.py"}
PIECES = {  # which other sentences go on with, or that are none
    "in the system below …", "sent in the chain", "finish its answer to", "the server … the connection …",
    "a protocol in the clear", "IMAP in the clear", "POP3 in the clear", r"\] (?:[^:]*: )?(.*?) \(_ssl\.c",
    "GET … HTTP/1.1 Host: … User-Agent: fleetpki.host_trust Accept: */*",
    "its security level, which on EL the crypto policy sets",
}
NEWS = (  # as such a sentence of roles and playbooks begins: what is done or would be, or what another goes on with
    "Would have hosts trust", "Would replace certificates", "Would end the trust in", "Would distrust", "Would make",
    "No host of this run trusts the CA in", "the CA that prepare makes", "The CA in … is made: would look after it",
    "nothing is known of it",
    "its own trust store",
)
LEAST = 4  # words, of an error that is looked for on the page


def is_sentence(said):
    """As opposed to a piece that another sentence goes on with."""
    return said[:1] not in ";:,(" and len([word for word in said.split() if "…" not in word]) >= LEAST


def fragments(message):
    """What of a message does not vary."""
    return [part for part in (part.strip(" .:;,") for part in message.split("…")) if part]


def explains(message, said):
    return all(part in said for part in fragments(message))


def located(path):
    """A file of the collection: its folder and its name."""
    return "/".join(path.parts[-2:])


def unexplained(found):
    """Of (where, what is said) what no message of the page stands for."""
    return [f"{where}: {said}" for where, said in found if not any(explains(one, said) for one in MESSAGES)]


@pytest.mark.parametrize("message", MESSAGES)
def test_what_is_quoted_is_said(message):
    missing = [part for part in fragments(message) if not any(part in said for said in SAID)]
    assert not missing


def test_whole_sentences_are_quoted_once():
    assert len(MESSAGES) > 200 and len(set(MESSAGES)) == len(MESSAGES)


def test_every_error_is_explained():
    raised = [(located(path), said) for path in documents.plugins() if located(path) not in PARTS
              for said, is_raised in documents.literals(path) if is_raised and is_sentence(said) and said not in CAUGHT]
    assert len(raised) > 100
    assert unexplained(raised) == []


def test_every_reason_is_explained():
    reasons = [(located(path), said) for path in documents.plugins() if located(path) in SAYING
               for said, _raised in documents.literals(path) if is_sentence(said) and said not in PIECES]
    assert len(reasons) > 70 and {name for name, _said in reasons} == SAYING
    assert unexplained(reasons) == []


def test_what_roles_and_playbooks_say_is_explained():
    told = [(name, said) for name, said in documents.told() if is_sentence(said) and not said.startswith(NEWS)
            and name != "playbooks/quickstart.yml"]  # which tells what it has made
    assert len(told) > 30
    assert unexplained(told) == []
