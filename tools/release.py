# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: fleetpki.host_trust contributors

"""A release: changelog, commit, tag and artifact.

    python tools/release.py 1.2.0      the version in galaxy.yml, the changelog, a commit, the tag v1.2.0, the artifact
    python tools/release.py --build    only the artifact of what is committed

.build/release gets the artifact, a bill of materials beside it (CycloneDX, NAME.cdx.json), and SHA256SUMS of both. They
are made from what is committed alone, and have the same bytes wherever and whenever they are made: files in order, the
commit's time, no owner. Nothing is pushed or published.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
RELEASES = ROOT / ".build/release"
TOOLS = ROOT / ".build/venv-release"
RUNTIME = "requirements/quickstart.txt"  # what a controller needs besides the collection, with versions and hashes


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """What a command prints; where it fails, this ends with what it said."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, env={**os.environ, **environment}, text=True,
                          capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def refuse_unless_ready(version: str) -> None:
    """A release is made of what is committed on main, its version comes after those that are out, and it tells why."""
    if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", version):
        sys.exit(f"{version} is no version: three numbers are, such as 1.2.0")
    if run("git", "status", "--porcelain"):
        sys.exit("there are changes that are not committed: git status names them")
    if run("git", "branch", "--show-current").strip() != "main":
        sys.exit("releases are made on main")
    out = [tag[1:] for tag in run("git", "tag", "--list", "v*").split()]
    later = [tag for tag in out if numbers(tag) >= numbers(version)]
    if later:
        sys.exit(f"{max(later, key=numbers)} is out already: {version} does not come after it")
    if version not in described() and not any((ROOT / "changelogs/fragments").glob("*.y*ml")):
        sys.exit("changelogs/fragments has nothing to tell of this release: write one with release_summary")


def described() -> list[str]:
    """The versions in the changelog."""
    return list(yaml.safe_load((ROOT / "changelogs/changelog.yaml").read_text(encoding="utf-8"))["releases"])


def numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


def write_changelog(version: str) -> None:
    """Sets the version, and has antsibull-changelog turn the fragments into its entry."""
    galaxy = ROOT / "galaxy.yml"
    text = galaxy.read_text(encoding="utf-8")
    galaxy.write_text(re.sub(r"(?m)^version: .*$", f"version: {version}", text), encoding="utf-8")
    run("antsibull-changelog", "release", "--reload-plugins", *["--update-existing"] * (version in described()))
    run("antsibull-changelog", "lint-changelog-yaml", "changelogs/changelog.yaml")


def build(commit: str = "HEAD") -> Path:
    """Builds the artifact of a commit, the same bytes each time; returns its path."""
    time = int(run("git", "log", "-1", "--format=%ct", commit))
    RELEASES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "source")
        source.mkdir()
        run("git", "archive", "--output", Path(scratch, "source.tar"), commit)
        run("tar", "--extract", "--file", Path(scratch, "source.tar"), cwd=source)
        run("ansible-galaxy", "collection", "build", "--output-path", scratch, cwd=source)
        built, = Path(scratch).glob("*.tar.gz")
        artifact = RELEASES / built.name
        artifact.write_bytes(in_order(built, time))
    return artifact


def in_order(built: Path, time: int) -> bytes:
    """An artifact that ansible-galaxy has built, with nothing in it that depends on the machine or the moment.

    FILES.json lists the files as the file system did, and MANIFEST.json has the hash of FILES.json.
    """
    with tarfile.open(built) as archive:
        members = {member.name: member for member in archive}
        content = {name: archive.extractfile(member).read() for name, member in members.items() if member.isfile()}
    listed = json.loads(content["FILES.json"])
    listed["files"].sort(key=lambda entry: entry["name"])
    content["FILES.json"] = json.dumps(listed, indent=True).encode()
    manifest = json.loads(content["MANIFEST.json"])
    manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(content["FILES.json"]).hexdigest()
    content["MANIFEST.json"] = json.dumps(manifest, indent=True).encode()
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=time) as stream, \
            tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(members, key=lambda name: (name not in ("MANIFEST.json", "FILES.json"), name)):
            member = members[name]
            member.mtime, member.uid, member.gid, member.uname, member.gname = time, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.size, member.pax_headers = len(content.get(name, b"")), {}
            archive.addfile(member, io.BytesIO(content[name]) if member.isfile() else None)
    return packed.getvalue()


def bill_of_materials(artifact: Path, commit: str = "HEAD") -> Path:
    """Writes which components a controller runs together with an artifact (CycloneDX); returns its path.

    The collection is the root component, with the artifact's hash. The others are those of RUNTIME.
    """
    run("tools/make-venv", "requirements/release.txt", TOOLS)
    galaxy = yaml.safe_load(run("git", "show", f"{commit}:galaxy.yml"))
    project = {"name": f"{galaxy['namespace']}.{galaxy['name']}", "version": galaxy["version"],
               "description": " ".join(galaxy["description"].split()), "license": " AND ".join(galaxy["license"])}
    with tempfile.TemporaryDirectory() as scratch:
        described, pinned, written = (Path(scratch, name) for name in ("pyproject.toml", "runtime.txt", "bom.json"))
        lines = ["[project]", *(f"{key} = {json.dumps(value)}" for key, value in project.items()), ""]
        described.write_text("\n".join(lines), encoding="utf-8")
        pinned.write_text(run("git", "show", f"{commit}:{RUNTIME}"), encoding="utf-8")
        run(TOOLS / "bin/cyclonedx-py", "requirements", "--pyproject", described, "--mc-type", "library",
            "--output-reproducible", "--output-file", written, pinned,
            SOURCE_DATE_EPOCH=run("git", "log", "-1", "--format=%ct", commit).strip())
        bill = json.loads(written.read_text(encoding="utf-8"))
    root = bill["metadata"]["component"]
    root["hashes"] = [{"alg": "SHA-256", "content": hashlib.sha256(artifact.read_bytes()).hexdigest()}]
    for dependency in bill["dependencies"]:
        if dependency["ref"] == root["bom-ref"]:
            dependency["dependsOn"] = sorted(component["bom-ref"] for component in bill["components"])
    path = artifact.with_name(artifact.name.replace(".tar.gz", ".cdx.json"))
    path.write_text(json.dumps(bill, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return path


def checksums(*paths: Path) -> str:
    """Writes SHA256SUMS of files beside them, as sha256sum --check reads it; returns what it holds."""
    text = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths)
    paths[0].with_name("SHA256SUMS").write_text(text, encoding="ascii")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version", nargs="?", help="three numbers, without v")
    parser.add_argument("--build", action="store_true", help="only build what is committed")
    asked = parser.parse_args()
    if asked.build is bool(asked.version):
        parser.error("either a version or --build: make release VERSION=1.2.0")
    if asked.version:
        refuse_unless_ready(asked.version)
        write_changelog(asked.version)
        run("git", "commit", "--all", "--quiet", "--message", f"Release {asked.version}")
        run("git", "tag", "--annotate", f"v{asked.version}", "--message", f"Release {asked.version}")
    artifact = build()
    bill = bill_of_materials(artifact)
    print(f"{RELEASES.relative_to(ROOT)}/SHA256SUMS:\n{checksums(artifact, bill)}", end="")
    if asked.version:
        print(f"Look at it, then: git push origin main v{asked.version}; ansible-galaxy collection publish "
              f"{artifact.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
