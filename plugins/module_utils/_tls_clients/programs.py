# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""TLS clients in the languages that hosts have, as programs' text: each as its language's programs usually do it.

Each is called with: seconds for a connection, a PEM file of anchors or "", a PEM file with a client certificate or "",
its key or "", and for each server its address, its port and the name that is verified. For each server it prints a
line: ``OK`` and the protocol version, or ``NO`` and why, in its own words.
"""

PYTHON = r"""
import signal, socket, ssl, sys

def end(*_):
    raise OSError("timed out")  # of a socket, each single step has its time: a server that trickles would have for ever

signal.signal(signal.SIGALRM, end)
seconds, trust, certificate, key = sys.argv[1:5]
for number in range(5, len(sys.argv), 3):
    address, port, name = sys.argv[number:number + 3]
    signal.setitimer(signal.ITIMER_REAL, float(seconds))
    try:
        context = ssl.create_default_context(cafile=trust or None)
        if certificate:
            context.load_cert_chain(certificate, key)
        with socket.create_connection((address, int(port)), float(seconds)) as plain:
            with context.wrap_socket(plain, server_hostname=name) as tls:
                tls.sendall(("GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % name).encode())
                answered = tls.recv(1)  # a TLS 1.3 server refuses a client's certificate after the handshake
                print("OK" if answered else "NO the server closes the connection", tls.version())
    except (OSError, ValueError) as error:
        print("NO", " ".join(str(error).split()))
    signal.setitimer(signal.ITIMER_REAL, 0)
    sys.stdout.flush()
"""

NODE = r"""
const fs = require("fs"), net = require("net"), tls = require("tls");
const [seconds, trust, certificate, key, ...servers] = process.argv.slice(1);
const settings = {rejectUnauthorized: true};  // whatever NODE_TLS_REJECT_UNAUTHORIZED says
if (trust) settings.ca = fs.readFileSync(trust);
if (certificate) { settings.cert = fs.readFileSync(certificate); settings.key = fs.readFileSync(key); }
function next() {
  if (!servers.length) return;
  const [host, port, name] = servers.splice(0, 3);
  let version = "", done = false;
  const end = setTimeout(() => say("NO", "timed out"), seconds * 1000);
  const say = (...words) => {
    if (done) return;
    done = true;
    clearTimeout(end);
    console.log(...words);
    socket.destroy();
    next();
  };
  const options = {host, port: Number(port), ...settings};
  if (net.isIP(name)) options.checkServerIdentity = (_, cert) => tls.checkServerIdentity(name, cert);
  else options.servername = name;
  const socket = tls.connect(options, () => {
    version = socket.getProtocol();
    socket.write(`GET / HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`);
  });
  socket.on("data", () => say("OK", version));
  socket.on("error", (error) => say("NO", `${error.code || ""} ${error.message}`.replace(/\s+/g, " ").trim()));
  socket.on("close", () => say("NO", "the server closes the connection"));
}
next();
"""

JAVA = r"""
import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.util.Timer;
import java.util.TimerTask;
import javax.net.ssl.*;

public class TlsClient {
    public static void main(String[] arguments) throws Exception {
        int milliseconds = (int) (Double.parseDouble(arguments[0]) * 1000);
        SSLContext context = SSLContext.getDefault();
        if (!arguments[1].isEmpty()) {
            KeyStore anchors = KeyStore.getInstance(KeyStore.getDefaultType());
            anchors.load(null, null);
            try (InputStream file = Files.newInputStream(Paths.get(arguments[1]))) {
                CertificateFactory factory = CertificateFactory.getInstance("X.509");
                for (java.security.cert.Certificate anchor : factory.generateCertificates(file))
                    anchors.setCertificateEntry(String.valueOf(anchors.size()), anchor);
            }
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(anchors);
            context = SSLContext.getInstance("TLS");
            context.init(null, trust.getTrustManagers(), null);
        }
        for (int number = 4; number < arguments.length; number += 3) {
            String address = arguments[number], name = arguments[number + 2];
            int port = Integer.parseInt(arguments[number + 1]);
            Timer watch = new Timer(true);
            long begin = System.nanoTime();
            try (Socket plain = new Socket()) {
                // The time of a read is that of each single one: a server that trickles would have for ever.
                watch.schedule(new TimerTask() {
                    public void run() {
                        try { plain.close(); } catch (IOException closed) { }
                    }
                }, milliseconds);
                plain.connect(new InetSocketAddress(address, port), milliseconds);
                plain.setSoTimeout(milliseconds);
                SSLSocket tls = (SSLSocket) context.getSocketFactory().createSocket(plain, name, port, true);
                SSLParameters parameters = tls.getSSLParameters();
                parameters.setEndpointIdentificationAlgorithm("HTTPS");
                tls.setSSLParameters(parameters);
                tls.startHandshake();
                String request = "GET / HTTP/1.1\r\nHost: " + name + "\r\nConnection: close\r\n\r\n";
                tls.getOutputStream().write(request.getBytes());
                boolean answered = tls.getInputStream().read() >= 0;
                String version = tls.getSession().getProtocol();
                System.out.println((answered ? "OK " : "NO the server closes the connection ") + version);
            } catch (Exception error) {
                Throwable cause = error;
                while (cause.getCause() != null) cause = cause.getCause();
                boolean late = System.nanoTime() - begin >= milliseconds * 1000000L;
                System.out.println("NO " + (late ? "timed out" : cause.toString().replaceAll("\\s+", " ")));
            } finally {
                watch.cancel();
            }
        }
    }
}
"""
