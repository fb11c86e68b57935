# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the files of a report change: the time alone at which it is made is no change."""

from __future__ import annotations

import os

import fleet_results as told
import pytest

from ansible_collections.fleetpki.host_trust.plugins.action import trust_report
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._report import build as report_build

FORMATS = {"html": "/r.html", "json": "/r.json", "prometheus": "/r.prom"}


def texts(later=0, **hosts):
    terms = report_build.ReportPolicy("Trust report", told.NOW + later, 30 * told.DAY, 180 * told.DAY)
    return trust_report._texts(FORMATS, report_build.build({"web1": {}, **hosts}, terms))


@pytest.mark.parametrize("path", FORMATS.values())
def test_content_counts_and_not_the_time(path, tmp_path):
    file, text = str(tmp_path / "report"), texts()[path]
    assert not trust_report._is_there(file, text, 0o644)
    with open(file, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.chmod(file, 0o644)
    later = texts(later=3600)[path]
    assert later != text and trust_report._is_there(file, later, 0o644)
    assert not trust_report._is_there(file, later, 0o600)
    assert not trust_report._is_there(file, texts(web2={})[path], 0o644)


def test_what_is_no_text_of_ours_differs(tmp_path):
    (tmp_path / "bytes").write_bytes(b"\xff" * 99)
    os.mkfifo(tmp_path / "pipe")
    for name in ("bytes", "pipe", "nosuch", "."):
        assert not trust_report._is_there(str(tmp_path / name), "text", 0o644)
