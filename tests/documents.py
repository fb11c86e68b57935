# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository's Markdown pages as plain values, and the sentences that its code can say."""

from __future__ import annotations

import ast
import re
import subprocess
import typing as t
from pathlib import Path

import jinja2
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[1]
BLOB = "https://github.com/fleetpki/host_trust/blob/main/"
# A block that is a file says so in the line above it.
FILE = re.compile(r"`([^`\n]+)`(?:, [^`\n]*)?:")
VARIABLE = re.compile(r"%(?:\([a-z_]+\))?[-0-9.]*[a-z]|\{\{.*?\}\}", re.DOTALL)


class Example(t.NamedTuple):
    """A fenced block."""

    page: str  # as git names the file
    name: str  # the file that it is, else its first line
    is_file: bool
    language: str
    text: str


def pages() -> list[str]:
    """All Markdown files, but those that a tool writes."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"], cwd=ROOT,
                            check=True, capture_output=True, text=True).stdout.split()
    return sorted({name for name in listed if name != "CHANGELOG.md" and (ROOT / name).is_file()})


def tokens(page: str) -> list[Token]:
    """What is on the page, one after the other, with what is inside of paragraphs and cells."""
    parsed = MarkdownIt("commonmark").enable("table").parse((ROOT / page).read_text(encoding="utf-8"))
    return [one for token in parsed for one in (token, *(token.children or []))]


def links(page: str) -> list[str]:
    """Where its links and images lead."""
    found = [token.attrGet("href") or token.attrGet("src") for token in tokens(page)]
    return [str(target) for target in found if target]


def anchors(page: str) -> set[str]:
    """What links into the page may end with: its headings, as GitHub and MyST spell them."""
    found = tokens(page)
    titles = [after.content for token, after in zip(found, found[1:], strict=False) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def examples(page: str) -> list[Example]:
    """Its fenced blocks; in lists, too."""
    found, before = [], ""
    for token in tokens(page):
        if token.type == "inline":
            before = token.content
        elif token.type == "fence":
            named = FILE.fullmatch(before)
            name = named.group(1) if named else token.content.strip().partition("\n")[0]
            found.append(Example(page, name, bool(named), token.info, token.content))
            before = ""
    return found


def code(page: str) -> list[str]:
    """What is written as code in its tables, lists and paragraphs."""
    return [token.content for token in tokens(page) if token.type == "code_inline"]


def rows(page: str) -> list[list[list[Token]]]:
    """The rows of its tables without their heads: for each cell what is in it."""
    found: list[list[list[Token]]] = []
    body = False
    for token in MarkdownIt("commonmark").enable("table").parse((ROOT / page).read_text(encoding="utf-8")):
        if token.type in ("tbody_open", "tbody_close"):
            body = token.type == "tbody_open"
        elif body and token.type == "tr_open":
            found.append([])
        elif body and token.type == "inline":
            found[-1].append(token.children or [])
    return found


def literals(path: Path) -> t.Iterator[tuple[str, bool]]:
    """The texts of a Python file with … for what is put in, and whether an error is raised with it. No docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    raised = {id(part) for node in ast.walk(tree) if isinstance(node, ast.Raise) for part in ast.walk(node)}
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside | docstrings:
            text = VARIABLE.sub("…", node.value)
        else:
            continue
        yield " ".join(text.split()), id(node) in raised


def plugins() -> list[Path]:
    """The Python files that can say something to a user."""
    return [path for path in sorted((ROOT / "plugins").rglob("*.py")) if path.parent.name != "doc_fragments"]


def tasks() -> dict[tuple[str, str], dict[str, t.Any]]:
    """The examples of modules and filters, which are tasks, by (file, name)."""
    found: dict[tuple[str, str], dict[str, t.Any]] = {}
    for path in [path for path in plugins() if path.parent.name in ("modules", "filter")]:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXAMPLES":
                for task in yaml.safe_load(ast.literal_eval(node.value)):
                    key = (str(path.relative_to(ROOT)), task["name"])
                    assert key not in found, f"two examples have the same name: {key}"
                    found[key] = task
    return found


def sentences() -> list[str]:
    """All texts of plugins, roles and playbooks, with … for what is put in."""
    found = [text for path in plugins() for text, _raised in literals(path)]
    for path in [*(ROOT / "roles").rglob("*.yml"), *(ROOT / "playbooks").glob("*.yml")]:
        if path.parent.name != "meta":
            found += texts(yaml.safe_load(path.read_text(encoding="utf-8")))
    return found


def told() -> t.Iterator[tuple[str, str]]:
    """(file, text) of what roles and playbooks can say, with … for what is put in."""
    for path in [*(ROOT / "roles").rglob("*.yml"), *(ROOT / "playbooks").glob("*.yml")]:
        if path.parent.name in ("tasks", "vars", "playbooks"):
            for text in _told(yaml.safe_load(path.read_text(encoding="utf-8")), path.parent.name == "vars"):
                yield str(path.relative_to(ROOT)), " ".join(VARIABLE.sub("…", text).split())


def _told(value: t.Any, everything: bool) -> t.Iterator[str]:
    """The texts of templates; what is outside of expressions counts in messages alone, unless ``everything`` does."""
    if isinstance(value, dict):
        for name, one in value.items():
            if name != "name":
                yield from _told(one, everything or name in ("msg", "fail_msg"))
    elif isinstance(value, list):
        for one in value:
            yield from _told(one, everything)
    elif isinstance(value, str):
        template = jinja2.Environment(autoescape=True).parse(value)  # which is only read
        if everything:
            for one in template.find_all(jinja2.nodes.Output):
                yield "".join(part.data if isinstance(part, jinja2.nodes.TemplateData) else "…" for part in one.nodes)
        joined = [one.nodes for one in template.find_all(jinja2.nodes.Concat)]
        yield from ("".join(map(_constant, nodes)) for nodes in joined)
        inside = {id(node) for nodes in joined for node in nodes}
        yield from (_constant(node) for node in template.find_all(jinja2.nodes.Const) if id(node) not in inside)


def _constant(node: jinja2.nodes.Node) -> str:
    return node.value if isinstance(node, jinja2.nodes.Const) and isinstance(node.value, str) else "…"


def texts(value: t.Any) -> list[str]:
    """All texts in nested lists and dictionaries."""
    if isinstance(value, str):
        return [" ".join(VARIABLE.sub("…", value).split()), " ".join(value.split())]
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for one in values for text in texts(one)]
