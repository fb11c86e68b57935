# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""One endpoint as the user gives it, made sure of before anything is connected to."""

import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import connection, handshake
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import hostnames as x509_hostnames
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem


class Endpoint(t.NamedTuple):
    name: str                       # what sentences call it: host:port
    host: str                       # as it is looked up
    port: int
    asked: str                      # host name or IP address that the certificate must be for
    server_name: "t.Optional[str]"  # the same for SNI, None for an IP address
    address: "t.Optional[str]"      # where to connect instead of host, or None
    starttls: "t.Optional[str]"     # a protocol or None
    alpn: "t.List[str]"
    certificate: "t.Optional[handshake.ClientCertificate]"
    proxy: "t.Optional[str]"        # its URL
    purpose: str


def read(number: int, item: "t.Dict[str, t.Any]", program: "t.Optional[openssl.OpenSSL]") -> Endpoint:
    """An Endpoint of the module's suboptions; raises ValueError with a sentence for what can't be one."""
    item = {key: value for key, value in item.items() if value is not None}
    where = "endpoints[%d] (%s)" % (number, ascii(item["host"])[1:-1])
    try:
        host, port = connection.plain_host(item["host"]), item.get("port", 443)
        asked = connection.plain_host(item.get("server_name", host))
        address = connection.plain_host(item["address"]) if "address" in item else None
        if not 0 < port < 65536:
            raise ValueError("%d is no port" % port)
        if "proxy" in item:
            connection.proxy_place(item["proxy"])
        if not all(0 < len(name.encode("utf-8")) < 256 and name.isprintable() and "," not in name
                   for name in item.get("alpn", [])):
            raise ValueError("alpn: %r has a name that can't be one" % item["alpn"])
        return Endpoint(
            name=connection.place(host, port), host=host, port=port, asked=asked,
            server_name=None if x509_hostnames.address(asked) else asked, address=address,
            starttls=item.get("starttls"), alpn=item.get("alpn", []),
            certificate=_client_certificate(item, program), proxy=item.get("proxy"),
            purpose=item.get("purpose", "server"))
    except ValueError as error:
        raise ValueError("%s: %s" % (where, error))


def _client_certificate(
    item: "t.Dict[str, t.Any]", program: "t.Optional[openssl.OpenSSL]"
) -> "t.Optional[handshake.ClientCertificate]":
    """(file, key file, passphrase) that Python's ssl can load, or None; raises ValueError with a sentence."""
    if "client_certificate" not in item:
        if "client_privatekey_path" in item:
            raise ValueError("client_privatekey_path is given without client_certificate")
        return None
    if program is None:
        raise ValueError("a client certificate is given, and there is no openssl on this host to look at it: install "
                         "the package 'openssl'")
    path, passphrase = item["client_certificate"], item.get("client_privatekey_passphrase")
    key = item.get("client_privatekey_path", path)
    try:
        leaf = pem.read_certificates(pem.read_file(path), keys_allowed=True)[0]
    except pem.CertificateFileError as error:
        raise ValueError("the client certificate %s can't be used: %s" % (path, pem.advised(str(error))))
    try:
        spki = openssl.public_key(program, key, passphrase, "client_privatekey_passphrase")
    except (openssl.PrivateKeyError, pem.CertificateFileError) as error:
        raise ValueError("the client key %s can't be used: %s" % (key, pem.advised(str(error))))
    if not openssl.same_key(spki, leaf.spki_der):
        raise ValueError("the client key %s belongs to another certificate than %s" % (key, path))
    loaded = (path, key, passphrase)
    try:
        handshake.context(certificate=loaded)
    except handshake.HandshakeRefused as error:
        raise ValueError("the client certificate %s and its key can't be used: %s; both must be PEM" % (path, error))
    return loaded
