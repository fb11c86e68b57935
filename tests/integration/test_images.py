# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Systems that do not run: mounted ones, installers, container builds; by the examples of the documentation."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import uuid

import documented
import images
import pki
import plays
import podman
import pytest

pytestmark = pytest.mark.pipelines

ROOT = pki.root("Corp Root CA")
EXAMPLES = documented.examples()
MOUNTED = {"/mnt/image": "el9", "/mnt/debian": "debian12"}
LINKS = {"/mnt/image/etc/pki/tls/certs/web1.crt": "/srv/web1.crt",
         "/mnt/debian/etc/ssl/private/web1.key": "../../../../../../../srv/web1.key"}


@pytest.fixture(scope="module")
def builder(installed):
    """A host with Ansible and the collection, where two systems are mounted."""
    options = [f"--volume={installed}:/usr/share/ansible/collections:ro"]
    with podman.Host("builder", "controller", options=options) as host:
        for place, platform in MOUNTED.items():
            with podman.Host("system", platform) as system:
                copy(system, host, place)
        host.run("ln", "-s", "/mnt/image", "/mnt/sysimage")
        for folder in ("/work", "/run/install/repo/trust", "/root/trust", "/srv/trust"):
            host.write(f"{folder}/trust.yml", EXAMPLES["trust.yml"].encode())
            host.write(f"{folder}/corp-root.crt", ROOT.pem.encode())
        host.write("/work/pki.yml", EXAMPLES["pki.yml"].encode())
        yield host


def copy(system, host, place):
    """All files of one host into a folder of another."""
    host.run("mkdir", "-p", place)
    here = {**os.environ, **podman.environment()}
    with subprocess.Popen(["podman", "export", system.container], stdout=subprocess.PIPE, env=here) as sent:
        subprocess.run(["podman", "exec", "--interactive", host.container, "tar", "-x", "-C", place], stdin=sent.stdout,
                       check=True, env=here)
    assert sent.returncode == 0


def script(host, text):
    """
    Runs it in /work; returns what Ansible said.

    From Ansible's log: ansible-pull passes its playbook's warnings and its output on as one, ten bytes of each in turn.
    """
    log = "/work/said.log"
    done = host.run("sh", "-c", f"cd /work && rm -f {log} && export ANSIBLE_LOG_PATH={log} && {text}", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return host.run("cat", log).stdout


def changes(said):
    return [int(number) for number in re.findall(r" changed=([0-9]+) ", said)]


def trusts(host, root="/"):
    return "Corp Root CA" in host.run("chroot", root, "trust", "list", "--filter=ca-anchors").stdout


def test_a_mounted_system(builder):
    """Trust, a key and a certificate from a private CA; what is in the image counts, and nothing goes elsewhere."""
    for link, target in LINKS.items():
        builder.run("ln", "-s", target, link)
    builder.run("groupmod", "--gid", "4711", "mail")
    builder.run("chroot", "/mnt/image", "groupmod", "--gid", "4712", "mail")
    mounted, debian = EXAMPLES["mounted.sh"], EXAMPLES["mounted.sh"].replace("/mnt/image", "/mnt/debian")
    foreseen = script(builder, mounted.replace("ansible-playbook", "ansible-playbook --check --diff"))
    assert not builder.exists("/srv/pki") and "+trusted" not in foreseen, "there is no CA yet, and none is made"
    for first, place, folder in ((mounted, "/mnt/image", "/etc/pki/tls"), (debian, "/mnt/debian", "/etc/ssl")):
        said = script(builder, first)
        assert sum(changes(said)) > 0 and "Reload" not in said
        chain = builder.run("chroot", place, "openssl", "verify", "-untrusted", f"{folder}/certs/web1-chain.pem",
                            f"{folder}/certs/web1.crt")
        assert chain.stdout == f"{folder}/certs/web1.crt: OK\n", "by its own anchors"
    assert changes(script(builder, mounted)) == [0, 0]
    outside = builder.run("sh", "-c", "ls /srv; ls -A /etc/ssl/private; ls /etc/ssl/certs | grep web1 || :").stdout
    assert outside.split() == ["pki", "trust"], "links that lead out of the image lead nowhere else"
    assert builder.exists("/mnt/image/srv/web1.crt") and builder.exists("/mnt/debian/srv/web1.key")
    owned = builder.run("stat", "--format=%a %u %g", "/mnt/image/etc/pki/tls/private/web1.key").stdout
    assert owned == "600 0 4712\n", "the group of the image, not of the machine"
    assert not builder.exists("/usr/local/share/ca-certificates/Private-CA-Root-CA.crt") and not trusts(builder)


def test_no_packages_for_an_image(builder):
    """Not into the image, and not onto the machine either."""
    builder.run("mv", "/usr/bin/openssl", "/usr/bin/openssl.away")
    try:
        done = builder.run("sh", "-c", "cd /work && " + EXAMPLES["mounted.sh"].replace("web1,", "web2,"), check=False)
    finally:
        builder.run("mv", "/usr/bin/openssl.away", "/usr/bin/openssl")
    assert done.returncode != 0 and "install the package 'openssl'" in done.stdout, done.stdout
    assert "host_certificate : Install what is missing" not in done.stdout


def test_kickstart_outside(builder):
    """%post --nochroot, with the new system mounted."""
    said = script(builder, documented.post(EXAMPLES["nochroot.ks"]))
    assert changes(said) == [1] and trusts(builder, "/mnt/sysimage")
    assert changes(script(builder, documented.post(EXAMPLES["nochroot.ks"]))) == [0]
    for play in (documented.example("README.md", "- name: Trust the company's CA in an image"),
                 documented.example("roles/ca_trust/README.md", "- name: Trust the company's CA in an image")):
        builder.write("/work/image.yml", play.encode())
        assert changes(script(builder, "ansible-playbook image.yml")) == [0], "they say the same of the same system"


def test_kickstart_inside_and_pull(builder):
    """A plain %post makes the new system trust the CA; what hosts fetch from a repository says the same then."""
    assert not trusts(builder)
    assert changes(script(builder, documented.post(EXAMPLES["post.ks"]))) == [1] and trusts(builder)
    builder.run("sh", "-c", "cd /srv/trust && git init -q && git add . && "
                "git -c user.name=a -c user.email=a@example.com commit -qm trust")
    pull = EXAMPLES["pull.sh"].replace("https://git.example.com/trust.git", "file:///srv/trust")
    assert pull != EXAMPLES["pull.sh"]
    assert changes(script(builder, pull))[-1] == 0
    builder.run("sh", "-c", "rm /usr/local/share/ca-certificates/*.crt && update-ca-certificates --fresh")
    assert not trusts(builder)
    assert changes(script(builder, pull))[-1] == 1 and trusts(builder)


@pytest.fixture(scope="module")
def build(installed, tmp_path_factory):
    """A function that runs podman or another program in a folder with the examples; images with this name go."""
    folder, name = tmp_path_factory.mktemp("build"), f"localhost/host-trust-test-{uuid.uuid4().hex[:8]}"
    for file, text in (*EXAMPLES.items(), ("corp-root.crt", ROOT.pem)):
        (folder / file).write_text(text, encoding="utf-8")
    shutil.copytree(installed / "ansible_collections", folder / "ansible_collections")
    (folder / "Containerfile.ansible").write_text(
        f"FROM {images.platforms()['controller'].image}\n"
        "COPY ansible_collections /usr/share/ansible/collections/ansible_collections\n", encoding="utf-8")
    made = []

    here = plays.ansible_environment()

    def run(*command, **environment):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False,
                              env={**here, **environment})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def make(recipe, tag, **arguments):
        made.append(f"{name}:{tag}")
        options = [f"--build-arg={key}={value}" for key, value in arguments.items()]
        # Without layers, podman takes a stage that is nothing but FROM for its own, and removes that image in the end.
        # And with layers it looks through all images for a cached one, and fails where a test beside it removes one.
        run("podman", "build", "--pull=never", "--network=none", "--layers=true", "--no-cache",
            f"--label=built-by={name}", f"--file={recipe}", f"--tag={name}:{tag}", *options, ".")
        return f"{name}:{tag}"

    def judged(image, *arguments):
        return run("podman", "run", "--rm", "--network=none", "--pull=never", image, *arguments)

    make.run, make.name, make.judged = run, name, judged
    make.ansible = make("Containerfile.ansible", "ansible")
    yield make
    podman.podman("rmi", "--force", *reversed(made), f"{name}:buildah", check=False)
    podman.podman("image", "prune", "--force", f"--filter=label=built-by={name}")


def test_a_container_build(build):
    """The files of one image are worked on in a stage with Ansible; or Ansible is in the image."""
    made = build("Containerfile", "outside", SYSTEM=images.platforms()["el9"].image, ANSIBLE=build.ansible)
    assert "Corp Root CA" in build.judged(made, "trust", "list", "--filter=ca-anchors")
    assert ROOT.pem.splitlines()[1] in build.judged(made, "cat", "/etc/pki/tls/cert.pem")
    inside = build("Containerfile.inside", "inside", ANSIBLE=build.ansible)
    assert ROOT.pem.splitlines()[1] in build.judged(inside, "cat", "/etc/ssl/certs/ca-certificates.crt")


def test_buildah(build):
    image = f"{build.name}:buildah"
    build.run("sh", "buildah.sh", SYSTEM=images.platforms()["el10"].image, IMAGE=image,
              PATH=os.pathsep.join([plays.ansible_environment()["PATH"], "/usr/sbin"]))
    assert "Corp Root CA" in build.judged(image, "trust", "list", "--filter=ca-anchors")
