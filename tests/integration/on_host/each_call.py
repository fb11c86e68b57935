# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module on this host again and again, and kills it, or has a system call fail, at each place in turn.

Reads a scenario (JSON) from standard input and prints what became of it (JSON); see interruptions.py on the controller.
The modules are imported once: each run is a fork, and begins with the same files.
"""
from __future__ import annotations

import atexit
import collections
import contextlib
import errno
import glob
import importlib
import json
import os
import re
import select
import shutil
import sys
import tempfile
import time

import looks
import supervised
from ansible.module_utils import basic
from supervised import KILL_ALL, KILL_CALLER

PREFIX = "ansible_collections.fleetpki.host_trust.plugins.modules."
INTERNAL = {"_ansible_remote_tmp": "/root/.ansible/tmp", "_ansible_keep_remote_files": False}
KILL_MODULE = "KILL_MODULE"  # what it has started goes on
SIGKILL = 9
SECONDS = 60  # that a run may take; those that wait for a lock that nobody gives back take longer


def module_run(task, decide=None, reads=False, check=False):
    """(how it ended, its result as dict, what it said besides) of a task {module: options}; see supervised.run."""
    ((name, options),) = task.items()
    module = importlib.import_module(PREFIX + name)

    def work():
        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": {
            **options, **INTERNAL, "_ansible_check_mode": check}}).encode()
        basic._ANSIBLE_PROFILE = "legacy"
        try:
            module.main()
        except SystemExit:
            pass
        atexit._run_exitfuncs()
        sys.stdout.flush()

    ended, said, complained = supervised.run(work, decide, reads)
    try:
        return ended, json.loads(said.strip().splitlines()[-1]), complained
    except (ValueError, IndexError):
        return ended, {}, said + complained


class Ground:
    """The files that a scenario is about, and their copy from before it."""

    def __init__(self, paths, scratch):
        self.paths, self.scratch = paths, scratch

    def keep(self):
        _copy("/", self.scratch, self.paths)

    def bring_back(self):
        for path in self.paths:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            elif os.path.lexists(path):
                os.unlink(path)
        _copy(self.scratch, "/", self.paths)

    def holds(self, path):
        return any(path == each or path.startswith(each + "/") for each in self.paths)


def _copy(source, target, paths):
    for path in paths:
        there, here = os.path.join(source, path[1:]), os.path.join(target, path[1:])
        if not os.path.lexists(there):
            continue
        os.makedirs(os.path.dirname(here), exist_ok=True)
        if os.path.isdir(there) and not os.path.islink(there):
            shutil.copytree(there, here, symlinks=True)
        else:
            shutil.copy2(there, here, follow_symlinks=False)


class Trial:
    """One scenario on this host: what it is like before and after, and what was found at the places between."""

    def __init__(self, scenario, scratch):
        self.scenario, self.task = scenario, scenario["task"]
        self.ground = Ground(scenario["paths"], scratch)
        self.look = getattr(looks, scenario["look"])(scenario)
        self.found, self.noted = [], {looks.APART: set(), looks.WINDOW: set()}
        self.harmless, self.places, self.healed = collections.Counter(), 0, set()
        if "files" in scenario:
            shutil.rmtree(scenario["paths"][0], ignore_errors=True)
            os.mkdir(scenario["paths"][0])
        for path, content in scenario.get("files", {}).items():
            with open(path, "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
                stream.write(content)
        for task in scenario["before"]:
            self.must(task)
        known = [self.look.now()]
        if "interrupted" in scenario:
            module_run(self.task, lambda call: KILL_ALL if re.search(scenario["interrupted"], call.path) else None)
        self.ground.keep()
        self.before = self.look.now()
        self.must(self.task, changed=True)
        self.after = self.look.now()
        self.must(self.task, changed=False)
        self.look.between(*known, self.before, self.after)

    def must(self, task, changed=None):
        _ended, result, complained = module_run(task)
        if not result or result.get("failed") or changed not in (None, result["changed"]):
            raise AssertionError(f"not what was to be: {result} {complained}")

    def every(self, errors, thrifty):
        """Has each call meet each of the errors; thrifty: one of them, in turn, and of equal states one is repaired."""
        self.thrifty = thrifty
        for turn in range(1 if thrifty else len(errors)):
            number = 1
            while self.meets(number, errors[(number * thrifty + turn) % len(errors)]):
                number += 1

    def meets(self, number, error):
        """The run in which the ``number``-th call meets an error, and what comes after; False without such a call."""
        self.ground.bring_back()
        self.place, self.count = None, 0
        following = Following(self.task)

        def decide(call):
            if not self.concerns(call, error):
                return None
            self.count += 1
            if self.count == number:
                self.place, self.kind = f"{error} at {number}: {call}", f"{call.name} by {call.who()}"
                if error == KILL_MODULE:
                    following.begin(call)
                    return None
            if self.count == number or self.count > number and error == KILL_ALL:
                return getattr(errno, error, error)
            return None

        began = time.monotonic()
        ended, result, complained = module_run(self.task, decide, error not in (KILL_ALL, KILL_MODULE))
        if self.place is None:
            return False
        self.places += 1
        if error in (KILL_ALL, KILL_MODULE) and ended != SIGKILL:
            self.complain(f"it was not killed: {result} {complained}")
        elif error == KILL_ALL:
            self.after_a_kill()
        elif error == KILL_MODULE:
            self.after_the_following(*following.end())
        else:
            self.after_a_fault(error, ended, result, complained)
        if time.monotonic() - began > SECONDS:
            self.complain(f"it took {time.monotonic() - began:.0f} s")
        return True

    def concerns(self, call, error):
        """Whether a call changes files; for what is no kill of all, also whether it reads those of the scenario or runs
        a program."""
        if not call.path.startswith("/") or call.path.startswith(("/memfd:", "/dev/", "/proc/")):
            return False
        if error == KILL_MODULE and call.by_module:
            return False
        if error not in (KILL_ALL, KILL_MODULE) and re.search("/ansible-moduletmp-[^/]*$", call.path):
            return False  # Ansible makes this folder, and says itself when it can't
        return not call.reads or call.name == "execve" or self.ground.holds(call.path)

    def complain(self, what):
        self.found.append(f"{self.place}: {what}")

    def after_a_kill(self):
        now = self.look.now()
        for what in self.look.killed(now):
            if what in self.noted:
                self.noted[what].add(self.place)
            else:
                self.complain(what)
        state = self.look.essence(now)
        if not self.thrifty or state not in self.healed:
            self.healed.add(state)
            _ended, foreseen, said = module_run(self.task, check=True)
            for what in self.look.differences(now, self.look.now(), True):
                self.complain(f"check mode changes something: {what}")
            _ended, result, complained = module_run(self.task)
            if any(foreseen.get(name) != result.get(name) for name in ("changed", "plan")):
                self.complain(f"check mode foresees something else: {foreseen} {said}, and then: {result}")
            self.after_the_following(result, complained)

    def after_the_following(self, result, complained):
        """One further run has converged with nothing lost, and a second changes nothing."""
        if not result or result.get("failed"):
            self.complain(f"the next run fails: {result.get('msg')} {complained}")
            return
        for what in self.look.differences(self.after, self.look.now()):
            self.complain(f"after the next run: {what}")
        _ended, again, complained = module_run(self.task)
        if again.get("changed", True):
            self.complain(f"the second run changes something: {again} {complained}")

    def after_a_fault(self, error, ended, result, complained):
        now = self.look.now()
        if error == KILL_CALLER and ended == SIGKILL:
            self.after_a_kill()
        elif ended or not result or "Traceback" in complained + str(result):
            self.complain(f"no clear error: {result} {complained}")
        elif not result.get("failed"):
            self.harmless[self.kind] += 1
            if list(self.look.differences(self.after, now)):
                self.after_the_following(*module_run(self.task)[1:])  # it takes away what could not be
        else:
            said = result["msg"]
            reason = os.strerror(getattr(errno, error)) if error in errno.errorcode.values() else "exit code"
            if "/" not in said or reason not in said and "exit code" not in said:
                self.complain(f"what and why is not said: {said}")
            for what in self.look.differences(self.before, now):
                self.complain(f"it fails ({said}), and: {what}")


class Following:
    """The run that comes after a module was killed, while what that has started goes on."""

    def __init__(self, task):
        self.task, self.waited = task, False

    def begin(self, call):
        """Kills the module and starts the run; returns when that waits for the lock, or has ended."""
        os.kill(call.module, SIGKILL)
        reading, writing = os.pipe()
        if os.fork() == 0:
            _ended, *said = module_run(self.task)
            with os.fdopen(writing, "w", encoding="utf-8") as stream:
                json.dump(said, stream)
            os._exit(0)
        os.close(writing)
        self.stream = os.fdopen(reading, encoding="utf-8")
        seen = 0
        while seen < 2 and not select.select([self.stream], [], [], 0.02)[0]:
            seen += self.waits()
        self.waited = seen == 2

    @staticmethod
    def waits():
        """Whether somebody has opened the lock and does not hold it."""
        for path in glob.glob("/proc/[0-9]*/fd/*"):
            with contextlib.suppress(OSError):
                if os.readlink(path).endswith(".lock"):
                    with open(path.replace("/fd/", "/fdinfo/"), encoding="ascii") as stream:
                        if "lock:" not in stream.read():
                            return True
        return False

    def end(self):
        """(its result, what it said besides)."""
        with self.stream:
            result, complained = json.loads(self.stream.read())
        return (result, complained) if self.waited else ({}, f"it did not wait for what was going on: {result}")


def main():
    asked = json.load(sys.stdin)
    scratch = tempfile.mkdtemp(dir="/srv")
    began = time.monotonic()
    found = Ground(asked["scenario"]["paths"], os.path.join(scratch, "found"))
    found.keep()
    trial = Trial(asked["scenario"], os.path.join(scratch, "before"))
    trial.every(asked["errors"], asked["thrifty"])
    found.bring_back()  # the next scenario is another story
    shutil.rmtree(scratch)
    print(json.dumps({
        "places": trial.places, "found": trial.found, "harmless": trial.harmless, "states": len(trial.healed),
        "seconds": round(time.monotonic() - began), "processor": round(sum(os.times()[:4])),
        **{name: sorted(places) for name, places in trial.noted.items()}}))


if __name__ == "__main__":
    main()
