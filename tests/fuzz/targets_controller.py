# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller reads: certificates that are to be trusted or installed, and answers of hosts."""

from __future__ import annotations

import json

import corpus
import mutations
from ansible.errors import AnsibleFileNotFound
from cryptography import x509 as pyca
from hypothesis import strategies as st
from targeting import NOW, target

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import bootstrap
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import der, pem
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import (
    _controller_files,
    _pipelined_query,
    _tls_matrix,
)
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import host_answers
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._trust import anchor_list, anchor_policy
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import validate, verdicts


@target(mutations.der_of(corpus.certificates()), (der.DerError,), 2)
def a_certificate_that_wants_to_be_an_anchor(data):
    certificate = x509.parse(data)
    found = anchor_policy.objections(certificate, anchor_policy.AnchorPolicy(now=NOW))
    if not found:  # nothing becomes an anchor that pyca does not take for a CA
        theirs = pyca.load_der_x509_certificate(data)
        assert theirs.extensions.get_extension_for_class(pyca.BasicConstraints).value.ca
    return found


@target(st.lists(mutations.files_of("CERTIFICATE", corpus.certificates()), min_size=1, max_size=3),
        (anchor_list.AnchorListError,))
def a_list_of_anchors(contents):
    element = dict.fromkeys(("name", "src", "content", "path", "fingerprint"))
    listed = [dict(element, state="present", src=f"file {number}") for number in range(len(contents))]
    given = iter(contents)
    found = anchor_list.read(listed, lambda _src: next(given), [], anchor_policy.AnchorPolicy(now=NOW))
    for one in found:
        assert one.certificate and x509.basic_constraints(one.certificate)[0]
    assert not any(pem.holds_key(pem._plain(data)) for data in contents)
    anchor_list.to_send(found)


@target(st.lists(mutations.files_of("CERTIFICATE", corpus.certificates() + corpus.bundles()), min_size=1, max_size=3),
        (ValueError,))
def files_of_an_outside_ca(contents):
    def needle(name: str) -> str:
        if name == "missing":
            raise AnsibleFileNotFound(file_name=name)
        return f"/{name}"

    given = iter(contents)
    sources = [f"file{number}" for number in range(len(contents))]
    found = _controller_files.certificates(sources, _controller_files.Finder(needle, []), lambda _path: next(given))
    assert not any("PRIVATE KEY" in text for _name, text in found.values())


PURPOSES = ("server", "client", "email", "ca", "any")


@target(st.tuples(mutations.der_of(corpus.certificates()[:12]),
                  st.lists(mutations.der_of(corpus.certificates()[:6]), max_size=3),
                  st.lists(mutations.der_of(corpus.certificates()[:3]), max_size=2),
                  st.lists(mutations.der_of(corpus.revocation_lists()), max_size=2),
                  st.sampled_from(PURPOSES)), share=3)
def a_path_to_validate(value):
    leaf, sent, trusted, lists, purpose = value
    question = validate.Question(["web1.example.com"], ["10.0.0.1"], purpose, NOW)
    with_root = [corpus.certificates()[0], *trusted]
    verdict = validate.judge(leaf, [corpus.certificates()[1], *sent], with_root, question, lists)
    assert verdict.accepted or verdict.findings
    return verdicts.described(verdict), verdicts.consequences(verdict, True, True)


@target(st.lists(mutations.texts_of(["web1", "curl: (60) no", *corpus.HOSTILE]), min_size=4, max_size=4))
def answers_of_hosts(texts):
    asker, name, client, said = (x509.printable(text) for text in texts)
    result = {"name": name, "accepted": False, "violations": [said],
              "clients": {client: {"accepted": False, "message": said}}}
    heard = {asker: [result], "other": [dict(result, name="other")]}
    return _tls_matrix.matrix(heard), _tls_matrix.refusals(heard)


LOOKED_AT = bootstrap.MARK + json.dumps({
    "store": "redhat", "bundle": "/b", "extracted": False, "anchors": [{}], "plan": [], "diff": {}, "changed": False,
    "warnings": ["a"]})


@target(mutations.texts_of(
    [LOOKED_AT, bootstrap.MARK + '{"unsent": ["aa", 1]}', f"Welcome\n{bootstrap.MARK}[]", *corpus.HOSTILE]))
def a_host_that_is_looked_at(text):
    answer = _pipelined_query.answered(text)
    found, asked = anchor_list.settled(answer), anchor_list.unsent(answer)
    assert found is None or set(found) <= {*anchor_list.LOOKED_AT, "warnings"}
    try:
        host_answers.checked(answer, anchor_list.ANSWER)
    except host_answers.Wrong as error:
        assert str(error).isprintable()
    assert all(isinstance(one, str) for one in asked)
