# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""The TLS clients of a host: which of them are installed, and which of them accept a server, in their own words.

A client is a row of CLIENTS. Commands are called once for each server; programs of our own, in the languages that need
long to start, once for all of them (_client_programs). Each uses the trust that it has on this host by itself, and
verifies the server's name.
"""

import collections
import os
import re
import shutil
import sys
import typing as t
from concurrent import futures

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import command as host_command
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import connection
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls_clients import java_fallback, programs
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

if t.TYPE_CHECKING:
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import endpoint as tls_endpoint
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import handshake


SIDE_BY_SIDE = 4
IN_ONE_PROGRAM = 32  # servers that a program of ours is called for at once
START_SECONDS = 30   # a client may take so long to start, besides the time of its connections
SHOWN = 300          # characters of a client's own words
# HTTP/1.0, for its connections end with the answer, and with them the clients.
REQUEST = "GET / HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n\r\n"
ANSWER = re.compile(br"^HTTP/1\.[01] [0-9]{3}", re.MULTILINE)
ANSWER_ALONE, AMONG_OTHER_THINGS = "answer alone", "among other things"  # what a client's stdout has
NOTHING, JAVA_SOURCE = "nothing", "TlsClient.java"  # in the scratch folder; the former is an empty one
# Red Hat's NSS packages put the client where nobody finds it by chance.
NSS_FOLDERS = ("/usr/lib64/nss/unsupported-tools", "/usr/lib/nss/unsupported-tools")


class ClientPolicy(t.NamedTuple):
    seconds: float                          # for a connection
    trust: "t.Optional[str]"                # PEM file with the anchors, or None for the client's own trust
    program: "t.Optional[openssl.OpenSSL]"  # None where there is none
    scratch: str                            # folder of our own, where clients may leave what they need


class ClientAnswer(t.NamedTuple):
    accepted: "t.Optional[bool]"  # None where it could not be tried
    message: str                  # its own words, or why it could not be tried; "" where it accepts and says nothing


if t.TYPE_CHECKING:
    Call = t.Callable[[str, tls_endpoint.Endpoint, ClientPolicy], t.List[str]]
    Program = t.Callable[[str, ClientPolicy], t.List[str]]
    Instead = t.Callable[[str, t.List[tls_endpoint.Endpoint], ClientPolicy], t.Optional[t.List[ClientAnswer]]]
    Limit = t.Callable[[tls_endpoint.Endpoint], t.Optional[str]]


class Client(t.NamedTuple):
    """``call`` or ``program`` is always there."""
    name: str  # what options and results call it
    command: "t.Optional[str]" = None  # name of the program; None: this Python
    version: "t.Optional[t.List[str]]" = None  # arguments that have it print its version
    usable: "t.Optional[t.Callable[[t.Optional[str]], bool]]" = None  # function(trust): is what it needs besides there?
    call: "t.Optional[Call]" = None  # function(path, endpoint, terms) -> command line, for one server
    # If that is told the request and prints the answer: ANSWER_ALONE, or AMONG_OTHER_THINGS; else None:
    talks: "t.Optional[str]" = None
    program: "t.Optional[Program]" = None  # function(path, terms) -> command line of a program for all servers
    instead: "t.Optional[Instead]" = None  # function(path, endpoints, terms) -> answers where that can't be run
    # function(terms) that puts what it needs into the scratch
    prepare: "t.Optional[t.Callable[[ClientPolicy], None]]" = None
    limit: "t.Optional[Limit]" = None  # function(endpoint) -> why it can't be asked for that, or None
    words: "t.List[str]" = []  # what of its output says why it refuses: regular expressions, the best first


class Installed(t.NamedTuple):
    client: Client
    path: str
    version: "t.Optional[str]"


def _address(endpoint: "tls_endpoint.Endpoint") -> str:
    return endpoint.address or endpoint.host


def _openssl(path: str, endpoint: "tls_endpoint.Endpoint", terms: ClientPolicy) -> "t.List[str]":
    command = [path, "s_client", "-connect", connection.place(_address(endpoint), endpoint.port), "-quiet",
               "-verify_return_error"] + openssl.asked_options(endpoint.asked, not endpoint.server_name)
    program = t.cast(openssl.OpenSSL, terms.program)  # without one, nobody asks for this client
    command += openssl.name_options(program, endpoint.server_name)
    command += openssl.trust_options(program, openssl.Trust(terms.trust, terms.trust, None))
    if endpoint.certificate:
        command += ["-cert", endpoint.certificate[0], "-key", endpoint.certificate[1]]
    return command


def _curl(path: str, endpoint: "tls_endpoint.Endpoint", terms: ClientPolicy) -> "t.List[str]":
    asked, there = (connection.place(name, endpoint.port) for name in (endpoint.asked, _address(endpoint)))
    command = [path, "--silent", "--show-error", "--output", os.devnull, "--noproxy", "*",
               "--no-insecure",  # whatever ~/.curlrc says
               "--connect-timeout", "%g" % terms.seconds, "--max-time", "%g" % terms.seconds,
               "--connect-to", "%s:%s" % (asked, there)]
    command += ["--cacert", terms.trust, "--capath", os.path.join(terms.scratch, NOTHING)] if terms.trust else []
    if endpoint.certificate:
        # Behind a colon, curl expects a passphrase.
        command += ["--cert", re.sub(r"([\\:])", r"\\\1", endpoint.certificate[0]), "--key", endpoint.certificate[1]]
    return command + ["https://%s/" % asked]


def _gnutls(path: str, endpoint: "tls_endpoint.Endpoint", terms: ClientPolicy) -> "t.List[str]":
    command = [path, "--port", str(endpoint.port), "--verify-hostname", endpoint.asked]
    command += ["--sni-hostname", endpoint.server_name] if endpoint.server_name else ["--disable-sni"]
    command += ["--x509cafile", terms.trust] if terms.trust else []
    if endpoint.certificate:
        command += ["--x509certfile", endpoint.certificate[0], "--x509keyfile", endpoint.certificate[1]]
    return command + ["--", _address(endpoint)]  # a name with a hyphen before it would be an option


def _nss(path: str, endpoint: "tls_endpoint.Endpoint", terms: ClientPolicy) -> "t.List[str]":
    """NSS itself knows no system store: p11-kit's module brings it, as it does for the browsers of EL."""
    command = [path, "-h", _address(endpoint), "-p", str(endpoint.port)]
    command += ["-a", endpoint.server_name] if endpoint.server_name else []
    if terms.trust:
        return command + ["-d", _nss_database(terms)]
    return command + ["-D", "-R", stores.p11_kit_modules("/")[0]]


def _python(path: str, terms: ClientPolicy) -> "t.List[str]":
    return [path, "-I", "-c", programs.PYTHON]


def _node(path: str, terms: ClientPolicy) -> "t.List[str]":
    """It has anchors of its own, unless it is told to use the system's."""
    code, output, _errors = host_command.run([path, "--help"])
    system = [option for option in ("--use-system-ca", "--use-openssl-ca") if option.encode("ascii") in output]
    return [path] + ([] if terms.trust or code != 0 else system[:1]) + ["-e", programs.NODE, "--"]


def _java(path: str, terms: ClientPolicy) -> "t.List[str]":
    return [path, "-Xshare:auto", "-XX:TieredStopAtLevel=1", os.path.join(terms.scratch, JAVA_SOURCE)]


# --- what they need in the scratch folder; made once, for clients are called side by side ---

def _make_nothing(terms: ClientPolicy) -> None:
    os.mkdir(os.path.join(terms.scratch, NOTHING))


def _make_java_source(terms: ClientPolicy) -> None:
    with open(os.path.join(terms.scratch, JAVA_SOURCE), "w") as stream:
        stream.write(programs.JAVA)


def _nss_database(terms: ClientPolicy) -> str:
    return "sql:" + os.path.join(terms.scratch, "nssdb")


def _make_nss_database(terms: ClientPolicy) -> None:
    """A database with the anchors that were given, since NSS reads no PEM file."""
    if not terms.trust:
        return
    certutil, database = which("certutil") or "certutil", _nss_database(terms)
    os.mkdir(database[len("sql:"):], 0o700)
    host_command.run([certutil, "-N", "-d", database, "--empty-password"])
    # What it does not take, NSS does not trust: the server is refused then, as it is by those that take less.
    for number, (_block, anchor) in enumerate(pem.certificate_blocks(pem.read_file(terms.trust))):
        host_command.run([certutil, "-A", "-d", database, "-n", str(number), "-t", "C,,"], anchor)


def _java_store(
    path: str, endpoints: "t.List[tls_endpoint.Endpoint]", terms: ClientPolicy
) -> "t.Optional[t.List[ClientAnswer]]":
    if java_fallback.runs_source(path):
        return None
    return [ClientAnswer(*answer) for answer in java_fallback.ask(path, endpoints, terms)]


def _anchors_for_nss(trust: "t.Optional[str]") -> bool:
    """Whether there is something that brings NSS its anchors."""
    return bool(which("certutil") if trust else stores.p11_kit_modules("/"))


# --- what they can't be asked for ---

def _no_certificate(endpoint: "tls_endpoint.Endpoint") -> "t.Optional[str]":
    return "it can't be given a client certificate here" if endpoint.certificate else None


def _no_other_address(endpoint: "tls_endpoint.Endpoint") -> "t.Optional[str]":
    if not endpoint.server_name and endpoint.asked != _address(endpoint):
        return "it verifies no IP address but the one that it connects to"
    return _no_certificate(endpoint)


CLIENTS = collections.OrderedDict((client.name, client) for client in [
    Client("openssl", command="openssl", version=["version"], call=_openssl, talks=ANSWER_ALONE, words=[
        r"^verify error:num=\d+:(.*)", r"^Verification error: (.*)", r":error:[0-9A-F]+:[^:]*:[^:]*:([^:]+)"]),
    Client("curl", command="curl", version=["--version"], call=_curl, prepare=_make_nothing, words=[r"^(curl: .*)"]),
    Client("python", version=["--version"], program=_python),
    Client("gnutls", command="gnutls-cli", version=["--version"], call=_gnutls, talks=AMONG_OTHER_THINGS, words=[
        r"^- Status: (The certificate is NOT.*)", r"^\*\*\* (.*)", r"(Could not connect.*)"]),
    Client("nss", command="tstclnt", usable=_anchors_for_nss, call=_nss, talks=ANSWER_ALONE,
           prepare=_make_nss_database, limit=_no_other_address, words=[r"^tstclnt: (.*)"]),
    Client("java", command="java", version=["-version"], program=_java, instead=_java_store,
           prepare=_make_java_source, limit=_no_certificate),
    Client("node", command="node", version=["--version"], program=_node),
])


def find(names: "t.Collection[str]", trust: "t.Optional[str]" = None) -> "t.Dict[str, Installed]":
    """The clients of these names that can be used here ({name: Installed}), in the order of CLIENTS."""
    found = collections.OrderedDict()
    for name in (name for name in CLIENTS if name in names):
        client = CLIENTS[name]
        path = sys.executable if client.command is None else which(client.command)
        if path and (client.usable is None or client.usable(trust)):
            found[name] = Installed(client, path, _version(client, path))
    return found


def which(command: str) -> "t.Optional[str]":
    """The path of a program, or None."""
    return shutil.which(command, path=os.pathsep.join((os.environ.get("PATH", ""), openssl.SYSTEM_PATH) + NSS_FOLDERS))


def _version(client: Client, path: str) -> "t.Optional[str]":
    """The first line that it prints of itself, or None."""
    if client.version is None:
        return None
    try:
        _code, output, errors = host_command.run([path] + client.version, seconds=START_SECONDS)
    except OSError:
        return None  # whoever is asked for a server says why
    # Java repeats the options that its environment has, and secrets may be among them.
    lines = [line for line in (output or errors).decode("utf-8", "replace").splitlines()
             if line.strip() and not line.startswith("Picked up ")]
    return plain(lines[0]) if lines else None


def ask(
    installed: "t.Dict[str, Installed]", endpoints: "t.List[tls_endpoint.Endpoint]", terms: ClientPolicy
) -> "t.Dict[str, t.List[ClientAnswer]]":
    """{name of the client: [Answer for each endpoint]}. installed: as of ``find``. endpoints: list of Endpoint."""
    answers, jobs = {}, []
    for name, one in installed.items():
        answers[name] = [ClientAnswer(None, "not tried")] * len(endpoints)
        try:
            if one.client.prepare:
                one.client.prepare(terms)
            jobs += [(name, numbers) for numbers in _batches(one.client, endpoints)]
        except OSError as error:
            answers[name] = [_not_started(error)] * len(endpoints)
    with futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        done = pool.map(lambda job: _tried(installed[job[0]], [endpoints[number] for number in job[1]], terms), jobs)
        for (name, numbers), found in zip(jobs, done):
            for number, answer in zip(numbers, found):
                answers[name][number] = answer
    return answers


def _batches(client: Client, endpoints: "t.List[tls_endpoint.Endpoint]") -> "t.List[t.List[int]]":
    """Numbers of the endpoints that a client is called for at once (list of list)."""
    if not client.program:
        return [[number] for number in range(len(endpoints))]
    by_certificate: t.Dict[t.Optional[handshake.ClientCertificate], t.List[int]] = collections.OrderedDict()
    for number, endpoint in enumerate(endpoints):
        by_certificate.setdefault(endpoint.certificate, []).append(number)
    return [numbers[begin:begin + IN_ONE_PROGRAM] for numbers in by_certificate.values()
            for begin in range(0, len(numbers), IN_ONE_PROGRAM)]


def _tried(one: Installed, endpoints: "t.List[tls_endpoint.Endpoint]", terms: ClientPolicy) -> "t.List[ClientAnswer]":
    """As of ``_ask``, also where the client can't be started: it is broken, and that says nothing of a server."""
    try:
        return _ask(one, endpoints, terms)
    except OSError as error:
        return [_not_started(error)] * len(endpoints)


def _not_started(error: OSError) -> ClientAnswer:
    # Python 3.6 has the path in error.strerror once more.
    return ClientAnswer(None, "not tried: %s can't be started: %s" % (error.filename, os.strerror(error.errno or 0)))


def _ask(one: Installed, endpoints: "t.List[tls_endpoint.Endpoint]", terms: ClientPolicy) -> "t.List[ClientAnswer]":
    """The Answer of one client for each of these endpoints."""
    why = one.client.limit and one.client.limit(endpoints[0])  # where there are several, they have one certificate
    if why:
        return [ClientAnswer(None, "not tried: " + why)] * len(endpoints)
    call, program = one.client.call, one.client.program
    if program:
        return _in_one_program(one, program, endpoints, terms)
    endpoint, = endpoints
    command = t.cast("Call", call)(one.path, endpoint, terms)
    if one.client.talks:
        return [_told(one.client, command, endpoint, terms)]
    code, output, errors = host_command.run(command, seconds=terms.seconds + 2)
    return [ClientAnswer(True, "") if code == 0 else _refusal(one.client, code, errors + output, terms)]


def _told(
    client: Client, command: "t.List[str]", endpoint: "tls_endpoint.Endpoint", terms: ClientPolicy
) -> ClientAnswer:
    """A command that is told a request. That the server answers is the proof: with TLS 1.3 it refuses a client after
    the handshake."""
    alone = client.talks == ANSWER_ALONE
    code, output, errors = host_command.run(command, (REQUEST % endpoint.asked).encode("ascii"), terms.seconds + 2,
                                            ANSWER if alone else None, host_command.SERVERS_BYTES)
    # Among other things, what looks like the answer may stand in the server's certificate.
    if ANSWER.search(output) and (alone or code == 0):
        return ClientAnswer(True, "")
    if code == 0:
        return ClientAnswer(False, "the server closes the connection without an answer")
    return _refusal(client, code, errors + output, terms)


def _refusal(client: Client, code: "t.Optional[int]", printed: bytes, terms: ClientPolicy) -> ClientAnswer:
    if code is None:
        return ClientAnswer(False, "it did not come to an end within %s" % connection.spoken(terms.seconds + 2))
    said = words(printed.decode("utf-8", "replace"), client.words)
    return ClientAnswer(False, said or "it ended with exit code %d" % code)


def words(printed: str, patterns: "t.Iterable[str]") -> str:
    """What of a client's output says why, by the first pattern that fits; else its last line."""
    for pattern in patterns:
        match = re.search(pattern, printed, re.MULTILINE)
        if match:
            return plain(match.group(match.lastindex or 0))
    lines = [line for line in printed.splitlines() if line.strip(" -")]
    return plain(lines[-1]) if lines else ""


def _in_one_program(
    one: Installed, program: "Program", endpoints: "t.List[tls_endpoint.Endpoint]", terms: ClientPolicy
) -> "t.List[ClientAnswer]":
    """A program of ours, called for all servers at once."""
    answers = one.client.instead and one.client.instead(one.path, endpoints, terms)
    if answers:
        return answers
    certificate = endpoints[0].certificate or ("", "")
    command = program(one.path, terms) + ["%g" % terms.seconds, terms.trust or "", certificate[0], certificate[1]]
    for endpoint in endpoints:
        command += [_address(endpoint), str(endpoint.port), endpoint.asked]
    code, output, errors = host_command.run(command, seconds=START_SECONDS + (terms.seconds + 1) * len(endpoints))
    found = [ClientAnswer(line.startswith("OK"), plain(line[3:]))
             for line in output.decode("utf-8", "replace").splitlines() if line[:3] in ("OK ", "NO ")]
    why = "it did not come to an end in time" if code is None else (
        words(errors.decode("utf-8", "replace"), [r"^.*[Ee]rror.*"]) or "it ended with exit code %d" % code)
    return found + [ClientAnswer(False, why)] * (len(endpoints) - len(found))


def plain(text: str) -> str:
    """A program's words, harmless to a terminal, in one line."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line[:SHOWN] + ("..." if len(line) > SHOWN else "")
