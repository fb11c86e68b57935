# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release from this checkout: the same bytes each time, only what users need, and it works where nothing else is."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import plays
import podman
import pytest
import yaml

pytestmark = pytest.mark.pipelines

ROOT = Path(__file__).resolve().parents[2]
NAME = "fleetpki.host_trust"
FOLDERS = {"LICENSES", "changelogs", "docs", "meta", "playbooks", "plugins", "roles"}
FILES = {"CHANGELOG.md", "CONTRIBUTING.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "REUSE.toml",
         "SECURITY.md", "bindep.txt", "requirements.txt"}


def run(*command, folder, **environment):
    done = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True, check=False,
                          env={**plays.ansible_environment(), **environment})
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def with_tools(folder):
    """Has a checkout use the tools of this one, so that they are installed once."""
    run("tools/make-venv", "requirements/release.txt", ROOT / ".build/venv-release", folder=ROOT)
    (folder / ".build").mkdir(exist_ok=True)
    (folder / ".build/venv-release").symlink_to(ROOT / ".build/venv-release")


def checkout(folder):
    """This checkout as it is, in a repository of its own."""
    run(sys.executable, "tools/checkout.py", folder, folder=ROOT)
    with_tools(folder)
    (folder / "changelogs/fragments/9.8.7.yml").write_text(
        "release_summary: One of this test.\nbugfixes:\n  - csr - it says so now.\n", encoding="utf-8")
    run("git", "init", "--quiet", "--initial-branch", "main", folder=folder)
    commit(folder)
    return folder


def commit(folder, *args):
    run("git", "add", "--all", folder=folder)
    run("git", "commit", "--quiet", "--message", "As it is", *args, folder=folder, **PERSON)


PERSON = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
          for what, value in (("NAME", "Tester"), ("EMAIL", "tester@example.com"))}


def release(folder, *args, **environment):
    return run(sys.executable, "tools/release.py", *args, folder=folder, **PERSON, **environment)


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """(the repository after its release, the artifact)."""
    folder = checkout(tmp_path_factory.mktemp("release") / "checkout")
    said = release(folder, "9.8.7")
    artifact, = (folder / ".build/release").glob("*.tar.gz")
    assert (folder / ".build/release/SHA256SUMS").read_text() in said
    return folder, artifact


def test_a_release_is_a_version_a_changelog_a_tag_and_an_artifact(released, tmp_path):
    folder, artifact = released
    assert artifact.name == "fleetpki-host_trust-9.8.7.tar.gz"
    assert run("git", "tag", "--points-at", "HEAD", folder=folder).strip() == "v9.8.7"
    assert run("git", "status", "--porcelain", folder=folder) == ""
    assert yaml.safe_load((folder / "galaxy.yml").read_text())["version"] == "9.8.7"
    assert re.search(r"9\.8\.7.*One of this test.*csr - it says so now",
                     (folder / "CHANGELOG.md").read_text().replace("\\", ""), re.DOTALL)
    assert not list((folder / "changelogs/fragments").glob("*.yml"))

    other = tmp_path / "another place"
    run("git", "clone", "--quiet", folder, other, folder=tmp_path)
    for path in other.glob("plugins/**/*.py"):
        os.utime(path, (1, 1))
    with_tools(other)
    build = ("sh", "-c", 'umask 077; exec "$@"', "sh", sys.executable, "tools/release.py", "--build")
    run(*build, folder=other, TZ="Asia/Tokyo")
    for path in artifact.parent.iterdir():
        assert (other / ".build/release" / path.name).read_bytes() == path.read_bytes(), path.name


def test_checksums_and_a_bill_of_materials_are_beside_it(released):
    _folder, artifact = released
    assert sorted(path.name for path in artifact.parent.iterdir()) == [
        "SHA256SUMS", "fleetpki-host_trust-9.8.7.cdx.json", artifact.name]
    said = run("sha256sum", "--check", "--strict", "SHA256SUMS", folder=artifact.parent)
    assert said == f"{artifact.name}: OK\nfleetpki-host_trust-9.8.7.cdx.json: OK\n"
    bill = json.loads((artifact.parent / "fleetpki-host_trust-9.8.7.cdx.json").read_text())
    root = bill["metadata"]["component"]
    assert bill["bomFormat"] == "CycloneDX" and (root["name"], root["version"]) == ("fleetpki.host_trust", "9.8.7")
    assert root["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(artifact.read_bytes()).hexdigest()}]
    pinned = re.findall(r"(?m)^([a-z0-9-]+)==(\S+)", (ROOT / "requirements/quickstart.txt").read_text())
    found = [(component["name"], component["version"]) for component in bill["components"]]
    assert sorted(found) == sorted(pinned) and {"cryptography", "ansible-core"} <= {name for name, _version in found}
    uses, = (one["dependsOn"] for one in bill["dependencies"] if one["ref"] == root["bom-ref"])
    assert sorted(uses) == sorted(component["bom-ref"] for component in bill["components"])


def test_what_is_no_release_is_refused(released):
    folder, _artifact = released
    for version, words in (("9.8", "is no version"), ("9.8.7", "9.8.7 is out already"), ("9.8.6", "is out already"),
                           ("9.9.0", "has nothing to tell of this release")):
        assert words in refusal(folder, version) and run("git", "status", "--porcelain", folder=folder) == ""
    run("git", "checkout", "--quiet", "-b", "other", folder=folder)
    assert "on main" in refusal(folder, "9.9.0")
    run("git", "checkout", "--quiet", "main", folder=folder)
    (folder / "changelogs/fragments/9.9.0.yml").write_text("trivial:\n  - Nothing.\n", encoding="utf-8")
    assert "changes that are not committed" in refusal(folder, "9.9.0")
    run("git", "clean", "--quiet", "--force", folder=folder)


def refusal(folder, version):
    done = subprocess.run([sys.executable, "tools/release.py", version], cwd=folder, capture_output=True, text=True,
                          check=False, env=plays.ansible_environment())
    assert done.returncode
    return done.stderr


def test_nothing_of_development_is_in_it(released):
    _folder, artifact = released
    with tarfile.open(artifact) as archive:
        members = archive.getmembers()
    names = {member.name.rstrip("/") for member in members}
    top = {name.partition("/")[0] for name in names}
    assert top == FOLDERS | FILES
    unwanted = re.compile(r"(^|/)(tests?|molecule|__pycache__|\.build|\.git)(/|$)|\.pyc$")
    assert not [name for name in names if unwanted.search(name)]
    assert not [member.name for member in members if member.mode & 0o022 or member.uid or member.gid]


def test_it_works_where_nothing_else_is(released):
    """Installed on a machine with the distribution's Ansible: the quickstart, and documentation of everything."""
    _folder, artifact = released
    with podman.Host("release", "controller") as host:
        host.write(f"/root/{artifact.name}", artifact.read_bytes())
        host.run("ansible-galaxy", "collection", "install", "--offline", f"/root/{artifact.name}")
        told = host.run("ansible-playbook", f"{NAME}.quickstart").stdout
        assert re.search(r"localhost +: .* failed=0 ", told), told
        for kind in ("module", "role", "filter"):
            listed = json.loads(host.run("ansible-doc", "-t", kind, "--list", "--json", NAME).stdout)
            there = {"module": "plugins/modules/*.py", "role": "roles/*", "filter": "plugins/filter/*.py"}[kind]
            assert set(listed) == {f"{NAME}.{path.stem}" for path in ROOT.glob(there) if path.stem[0] != "_"}, kind
            shown = host.run("ansible-doc", "-t", kind, *sorted(listed)).stdout
            assert all(name.upper() in shown.upper() for name in listed), kind


def test_galaxy_has_nothing_to_say(released, tmp_path):
    """What Galaxy and Automation Hub run over what is uploaded, with what they ask of certified collections."""
    _folder, artifact = released
    venv = ROOT / ".build/galaxy"
    run("tools/make-venv", "requirements/galaxy.txt", venv, folder=ROOT)
    plain = tmp_path / "ansible.cfg"
    plain.write_text("[defaults]\n", encoding="utf-8")
    environment = {"PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}", "ANSIBLE_COLLECTIONS_PATH": str(tmp_path),
                   "GALAXY_IMPORTER_CHECK_REQUIRED_TAGS": "true", "ANSIBLE_CONFIG": str(plain)}
    done = subprocess.run([venv / "bin/python", "-m", "galaxy_importer.main", artifact], cwd=tmp_path, check=False,
                          capture_output=True, text=True, env={**os.environ, **environment})
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "Importer processing completed successfully" in said, said
    assert "ansible-lint run complete" in said, said
    assert not [line for line in said.splitlines() if re.search("warning|error", line, re.I)], said
