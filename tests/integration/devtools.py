# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a test host: opens a page in Chromium, does what is asked, and says what happened, as JSON.

    python3 devtools.py URL < STEPS

Steps are a JSON list of [command of the DevTools protocol, parameters]; answers come back as a list in their order,
with all that the console said and all addresses that were asked for. What is spoken is the DevTools protocol over a
pipe, which needs nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time

COMMAND = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
           "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
           "--disable-sync", "--remote-debugging-pipe"]
PATIENCE = 300  # seconds for all of it


class Browser:
    """A Chromium and the two ends of its pipe."""

    def __init__(self, profile):
        theirs_in, self.out = os.pipe()
        self.back, theirs_out = os.pipe()

        def to_their_places():
            os.dup2(theirs_in, 13)  # out of the way of 3 and 4
            os.dup2(theirs_out, 14)
            os.dup2(13, 3)
            os.dup2(14, 4)

        self.process = subprocess.Popen(
            [*COMMAND, "--user-data-dir=" + profile], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, close_fds=False, preexec_fn=to_their_places)
        os.close(theirs_in)
        os.close(theirs_out)
        self.serial, self.session, self.rest, self.events = 0, None, b"", []
        self.end = time.monotonic() + PATIENCE

    def do(self, method, parameters=None):
        """The answer to a command; raises RuntimeError if it is an error."""
        self.serial += 1
        message = {"id": self.serial, "method": method, "params": parameters or {}}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data):]
        while True:
            said = self._read()
            if said.get("id") == self.serial:
                if "error" in said:
                    raise RuntimeError("%s: %s" % (method, said["error"]))
                return said["result"]
            self.events.append(said)

    def wait_for(self, method):
        while method not in (event.get("method") for event in self.events):
            self.events.append(self._read())

    def _read(self):
        while b"\0" not in self.rest:
            if not select.select([self.back], [], [], max(0, self.end - time.monotonic()))[0]:
                raise RuntimeError("Chromium gives no answer")
            more = os.read(self.back, 1 << 20)
            if not more:
                raise RuntimeError("Chromium has ended")
            self.rest += more
        said, self.rest = self.rest.split(b"\0", 1)
        told = json.loads(said.decode())
        if told.get("method") == "Inspector.targetCrashed":
            raise RuntimeError("the page has crashed")
        return told


def main():
    steps = json.load(sys.stdin)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            target = browser.do("Target.createTarget", {"url": "about:blank"})["targetId"]
            browser.session = browser.do("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
            for domain in ("Inspector", "Page", "Runtime", "Log", "Network"):
                browser.do(domain + ".enable")
            began = time.monotonic()
            browser.do("Page.navigate", {"url": sys.argv[1]})
            browser.wait_for("Page.loadEventFired")
            loaded = time.monotonic() - began
            answers = [browser.do(method, parameters) for method, parameters in steps]
        finally:
            browser.process.kill()
            browser.process.wait()
    events = [(event.get("method"), event.get("params", {})) for event in browser.events]
    json.dump({
        "loaded": loaded, "answers": answers,
        "console": [told for method, told in events if method in (
            "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")],
        "requests": [told["request"]["url"] for method, told in events if method == "Network.requestWillBeSent"],
    }, sys.stdout)


if __name__ == "__main__":
    main()
