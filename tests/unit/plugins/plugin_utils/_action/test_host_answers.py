# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host answers is read against its module's RETURN: forged keys, types and sizes of every module."""

from __future__ import annotations

import copy
import importlib
import json
import math
import pathlib
import time

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import host_answers

PACKAGE = host_answers.__package__.partition(".plugin_utils")[0]
PLUGINS = pathlib.Path(host_answers.__file__).parents[2]
# The others ask no host anything.
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("[a-z]*.py")
                 if path.stem not in ("refuse_facts", "trust_report"))
# What Ansible acts upon, in any answer.
CARRIERS = ("ansible_facts", "_ansible_facts", "add_host", "add_group", "ansible_stats", "include", "include_args",
            "_ansible_no_log", "_ansible_facts_cacheable", "attempts", "until", "skipped", "unreachable",
            "ansible_delegated_vars")
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
                    st.sampled_from(["maybe", math.nan, math.inf, 2 ** 70, "x" * 5000, "\x1b[31m", "{{ 7 * 7 }}"]))
TEXTS = {"fingerprint_sha256": "4f" * 32, "not_before": "2026-01-01T00:00:00Z", "not_after": "2036-01-01T00:00:00Z"}
JSON = st.recursive(SCALARS, lambda inner: st.one_of(
    st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8) | st.sampled_from(CARRIERS), inner, max_size=4)),
    max_leaves=12)
MANY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def documentation(module):
    text = (PLUGINS / "modules" / f"{module}.py").read_text()
    return yaml.safe_load(text.split('RETURN = r"""\n')[1].split('"""')[0])


def sample(key, name=""):
    """The sample of a key of RETURN, put together of those below it where it has none."""
    inner = key.get("contains")
    if not inner:
        kinds = {"str": TEXTS.get(name, "x"), "bool": True, "int": 1, "list": []}
        return key.get("sample", kinds.get(key["type"]))
    if key["type"] == "dict" and key.get("sample") and not set(key["sample"]) & set(inner):
        return key["sample"]
    one = {name: sample(each, name) for name, each in inner.items()}
    return [one] if key["type"] == "list" else one


def answer_of(module):
    """An answer with all that is documented."""
    return {"changed": False, **{name: sample(key) for name, key in documentation(module).items()}}


def shape_of(module):
    """As the module's own action plugin has it."""
    return importlib.import_module(f"{PACKAGE}.action.{module}").ActionModule.ANSWER


def fits(value, shape):
    """Whether a value is as documented; written a second time, without the code that is tested."""
    if value is None:
        return True
    kinds = {"str": str, "bool": bool, "int": int, "float": (int, float), "list": list, "dict": dict}
    if not isinstance(value, kinds[shape.kind]) or shape.kind in ("int", "float") and (
            isinstance(value, bool) or not math.isfinite(value)):
        return False
    if shape.kind == "list" and shape.elements:
        return all(fits(one, shape.elements) for one in value)
    if shape.kind == "dict" and shape.keys is not None:
        return set(value) <= set(shape.keys) and all(fits(one, shape.keys[name]) for name, one in value.items())
    if shape.values and shape.kind in ("list", "dict"):
        inner = value.values() if shape.kind == "dict" else value
        return all(any(fits(one, each) for each in shape.values) for one in inner)
    return True


def places(value, path=()):
    """Every place in a value, as the keys that lead there."""
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*path, key))


def forged(answer, path, value, key=None):
    """The answer with a value in that place, or with one key more there."""
    made = copy.deepcopy(answer)
    if not path:
        return {**made, key: value} if key else value
    place = made
    for step in path[:-1]:
        place = place[step]
    if key is None or not isinstance(place[path[-1]], dict):
        place[path[-1]] = value
    else:
        place[path[-1]][key] = value
    return made


def test_each_module_has_an_action_that_reads_its_answer():
    """One that is added without an action would let a host set facts again."""
    actions = {path.stem for path in (PLUGINS / "action").glob("[a-z]*.py")}
    assert set(MODULES) <= actions
    for module in MODULES:
        assert shape_of(module).keys is not None, module


@pytest.mark.parametrize("module", MODULES)
def test_what_is_documented_is_kept(module):
    answer = answer_of(module)
    found = host_answers.checked(copy.deepcopy(answer), host_answers.documented(module))
    assert found == answer


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("key", CARRIERS)
def test_what_ansible_acts_upon_is_dropped(module, key):
    answer = {**answer_of(module), key: {"host_certificate_source": "external"}}
    assert key not in host_answers.checked(answer, host_answers.documented(module))


@MANY
@given(st.sampled_from(MODULES), st.data())
def test_whatever_is_forged_is_refused_or_is_as_documented(module, data):
    """A value replaced, or a key added, anywhere: nothing else is raised, nothing else is kept."""
    shape, answer = shape_of(module), answer_of(module)
    key = data.draw(st.none() | st.text(max_size=10) | st.sampled_from(CARRIERS))
    made = forged(answer, data.draw(st.sampled_from(list(places(answer)))), data.draw(JSON), key)
    try:
        found = host_answers.checked(made, shape)
    except host_answers.Wrong as error:
        assert len(str(error)) < 5000 and str(error).isprintable()
        return
    messages = {name: found.pop(name) for name in (*host_answers.SHOWN, "warnings", "deprecations") if name in found}
    assert all(isinstance(one, (str, list, type(None))) for one in messages.values())
    assert fits(found, shape), found
    json.dumps(found, allow_nan=False)
    assert host_answers.checked(copy.deepcopy(found), host_answers.optional(shape)) == found


@MANY
@given(st.sampled_from([name for name in MODULES if name != "run_builtin"]),
       JSON | st.dictionaries(st.text(max_size=10) | st.sampled_from(CARRIERS), JSON))
def test_an_answer_of_anything_is_refused(module, made):
    if isinstance(made, dict):
        made.pop("failed", None)
    with pytest.raises(host_answers.Wrong):
        host_answers.checked(made, host_answers.documented(module))


@pytest.mark.parametrize("module, change, sentence", [
    ("ca_trust_info", {"in_sync": "maybe"}, "in_sync is the text 'maybe', and is to be true or false"),
    ("ca_trust_info", {"store": ["x"]}, "store is a list of 1, and is to be text"),
    ("ca_trust_info", {"counts": {"distribution": "1} 2\nx"}}, "counts.distribution is the text"),
    ("ca_trust_info", {"anchors": [{}] * 20_001}, "anchors is too large: 20,001 elements"),
    ("cert_verify", {"results": [{"name": "x"}]}, r"results\[0\].path is missing"),
    ("cert_verify", {"verified": None}, "verified is null, and is to be true or false"),
    ("tls_endpoint_info", {"requirements_met": math.nan}, "met is nan, and is to be true or false"),
    ("crl", {"number": math.inf}, "number is inf, and is to be a whole number"),
    ("crl", {"number": 2 ** 64}, "number is too large a number"),
    ("crl", {"number": True}, "number is True, and is to be a whole number"),
    ("csr", {"backup_files": {"/a": ["x"]}}, r"backup_files\[/a\] is a list of 1, and is to be text"),
    ("csr", {"backup_files": {"a" * 5000: "x"}}, "backup_files has a key that is the text"),
    ("csr", {"failed": "no"}, "failed is the text 'no', and is to be true or false"),
    ("csr", {"csr": "A" * host_answers.MOST_CHARACTERS + "A"}, "it is too large"),
    ("ca_usage_info", {"renewals": [{"fingerprint_sha256": [[[[[[[[[[[[[[1]]]]]]]]]]]]]]}]}, "is too deep"),
])
def test_a_wrong_answer_names_the_value_and_what_it_is_to_be(module, change, sentence):
    with pytest.raises(host_answers.Wrong, match=sentence):
        host_answers.checked({**answer_of(module), **change}, host_answers.documented(module))


def test_a_fingerprint_is_there():
    answer = answer_of("ca_trust_info")
    answer["anchors"][0]["fingerprint_sha256"] = None
    with pytest.raises(host_answers.Wrong, match=r"anchors\[0\].fingerprint_sha256 is null"):
        host_answers.checked(answer, host_answers.documented("ca_trust_info"))


def test_a_failure_may_say_less():
    assert host_answers.checked({"failed": True, "msg": "no", "changed": False}, host_answers.documented("csr")) == {
        "failed": True, "msg": "no", "changed": False}
    with pytest.raises(host_answers.Incomplete, match="reasons is missing"):
        host_answers.checked({"failed": False, "msg": "no"}, host_answers.documented("csr"))


def test_what_is_shown_is_cut_and_moves_no_terminal():
    found = host_answers.checked(
        {"failed": True, "msg": "a\x1b[2Jb\nc" + "x" * 2 * host_answers.LONGEST_MESSAGE,
         "warnings": ["\x1b]0;x\x07", 5, None],
         "exception": ["x"], "module_stderr": 7, "deprecations": [5, {"msg": "old", "version": 3}, {"msg": 9}]},
        host_answers.documented("csr"))
    assert found["msg"].startswith("a\\1B[2Jb\nc") and found["msg"].endswith("…")
    assert len(found["msg"]) < host_answers.LONGEST_MESSAGE + 10
    assert found["warnings"] == ["\\1B]0;x\\07"] and found["deprecations"] == [{"msg": "old"}]
    assert set(found) == {"failed", "msg", "warnings", "deprecations"}


def test_the_cost_of_an_answer():
    """One with the roots of a distribution costs what nobody notices."""
    answer = answer_of("ca_trust_info")
    answer["distribution"] = answer["anchors"] * 150
    begin = time.process_time()
    for _each in range(20):
        host_answers.checked(answer, host_answers.documented("ca_trust_info"))
    assert (time.process_time() - begin) / 20 < 0.05
