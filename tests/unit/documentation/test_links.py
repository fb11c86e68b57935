# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every link in a Markdown file of the repository leads to a file, and to a heading of it, that exists."""

from __future__ import annotations

import posixpath

import documents
import pytest

PAGES = documents.pages()
GENERATED = "reference/"  # of the site only; Sphinx looks at links to it


def destination(page, link):
    """(file, heading or "") that a link leads to, from the root of the repository on; None if it leads elsewhere."""
    if link.startswith(documents.BLOB):
        link = "/" + link.removeprefix(documents.BLOB)
    if ":" in link.partition("/")[0] or link.startswith(GENERATED):
        return None
    path, _hash, heading = link.partition("#")
    return (posixpath.normpath(posixpath.join("/", posixpath.dirname(page), path))[1:] if path else page), heading


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    wrong = []
    for link in documents.links(page):
        found = destination(page, link)
        if found is None:
            continue
        path, heading = found
        if not (documents.ROOT / path).exists() or heading and heading not in documents.anchors(path):
            wrong.append(link)
    assert wrong == []


def test_nothing_is_hidden_from_the_test():
    """Links that Markdown has parsed are as many as those that one sees in the text."""
    seen = sum((documents.ROOT / page).read_text(encoding="utf-8").count("](") for page in PAGES)
    code = sum(text.count("](") for page in PAGES for text in
               [*documents.code(page), *(example.text for example in documents.examples(page))])
    assert sum(len(documents.links(page)) for page in PAGES) >= seen - code > 50


def test_every_page_is_in_the_site():
    index = (documents.ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    lines = {line.rpartition("<")[2].strip("<>").removeprefix("/") for line in index.splitlines()}
    assert [page for page in PAGES if page.removesuffix(".md") not in lines and page != "docs/index.md"] == []
