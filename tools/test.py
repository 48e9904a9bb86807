#!/usr/bin/env python3
"""Runs every test binary of the workspace, then the official SDKs, a browser and the files of deploy/ against the real
program, and says what each suite cost against its budget. Exits 1 if anything failed. With cargo-nextest each test is a
process of its own; without it the binaries are run as cargo test would.

  tools/test.py            everything
  tools/test.py engine it  only the suites whose name contains one of the words
  tools/test.py --soak     the long form of every test that has one, and nothing is cut short
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Seconds a suite may take on two busy cores. Going over is shown, not failed: machines differ.
BUDGETS = {
    "build": 900,
    "store_sqlite": 60,
    "store_sqlite::it": 60,
    "store_postgres": 60,
    "store_postgres::it": 180,
    "engine": 60,
    "testkit::simulation": 300,
    "trireme::chaos": 540,
    "trireme::connector": 120,
    "trireme::it": 600,
    "fuzz": 60,
    "doctests": 60,
    "oracles": 120,
    "browser": 180,
    "deploy": 120,
    "image": 600,
}
BUDGET_DEFAULT = 30

# What makes the tests long. Each may also be set by hand, beside any other way to run them.
SOAK = {"TRIREME_SOAK": "1", "TRIREME_SEEDS": "1000..20000", "TRIREME_CHAOS_ROUNDS": "1000"}

# A suite that is still running then is hung: it is ended and counts as failed.
HUNG_AFTER_SECONDS = 1800


@dataclass
class Suite:
    """Something to run, and after the run how it went."""

    name: str
    command: list
    cwd: Path = ROOT
    env: dict = field(default_factory=dict)
    seconds: float = 0.0
    passed: int = 0
    failed: int = 0

    @property
    def budget(self):
        return BUDGETS.get(self.name, BUDGET_DEFAULT)


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    soak = "--soak" in sys.argv[1:]
    os.environ.setdefault("RUST_BACKTRACE", "1")
    os.environ.setdefault("INSTA_UPDATE", "no")
    if soak:
        for name, value in SOAK.items():
            os.environ.setdefault(name, value)

    build, binaries, gateway = build_tests()
    suites = [build]
    if build.failed == 0:
        real = [oracle_suite(gateway), browser_suite(gateway), deploy_suite(gateway)]
        real += [image_suite(gateway)] if soak else []
        planned = [*test_suites(binaries, "soak" if soak else "default"), doc_suite(), *real]
        for suite in planned:
            if not words or any(word in suite.name for word in words):
                run(suite, limit=None if soak else HUNG_AFTER_SECONDS)
                suites.append(suite)
    report(suites)
    return 1 if any(suite.failed for suite in suites) else 0


def build_tests():
    """Builds every test and program of the workspace: the build as a suite, its test binaries, the gateway's path."""
    suite = Suite("build", ["cargo"])
    announce(suite)
    started = time.monotonic()
    artifacts = []
    for what in (["test", "--no-run"], ["build", "--bins"]):
        command = ["cargo", *what, "--workspace", "--locked", "--message-format=json-render-diagnostics"]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        suite.failed += 1 if done.returncode else 0
        messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        artifacts += [m for m in messages if m["reason"] == "compiler-artifact" and m.get("executable")]
    suite.seconds = time.monotonic() - started
    programs = {a["target"]["name"]: a["executable"] for a in artifacts if not a["profile"]["test"]}
    return suite, [a for a in artifacts if a["profile"]["test"]], programs.get("trireme")


def test_suites(binaries, profile):
    """One suite per test binary, named as nextest names it."""
    nextest = shutil.which("cargo-nextest")
    suites = []
    for artifact in binaries:
        folder = Path(artifact["manifest_path"]).parent
        name = binary_id(package_name(artifact["package_id"]), artifact["target"])
        if nextest:
            command = ["cargo", "nextest", "run", "--workspace", "--locked", "--profile", profile, "--no-tests=pass"]
            suites.append(Suite(name, [*command, "--hide-progress-bar", "-E", f"binary_id(={name})"]))
        else:
            suites.append(Suite(name, [artifact["executable"]], folder, {"CARGO_MANIFEST_DIR": str(folder)}))
    return sorted(suites, key=lambda suite: suite.name)


def package_name(package_id):
    """`path+file:///…/crates/domain#0.1.0`, or `…#name@0.1.0` where the folder is called otherwise."""
    path, _, tail = package_id.partition("#")
    return tail.partition("@")[0] if "@" in tail else path.rsplit("/", 1)[1]


def binary_id(package, target):
    kind = target["kind"][0]
    if kind == "test":
        return f"{package}::{target['name']}"
    return f"{package}::{kind}/{target['name']}" if kind in ("bin", "example", "bench") else package


def doc_suite():
    return Suite("doctests", ["cargo", "test", "--workspace", "--locked", "--doc"])


def oracle_suite(gateway):
    return Suite("oracles", [str(ROOT / "oracles/run"), gateway])


def browser_suite(gateway):
    return Suite("browser", [str(ROOT / "browser/run"), gateway])


def deploy_suite(gateway):
    return Suite("deploy", [str(ROOT / "deploy/test/run"), gateway])


def image_suite(gateway):
    """Makes a Debian of its own and mounts things, so it takes root, and minutes."""
    return Suite("image", [str(ROOT / "deploy/test/image"), gateway])


def run(suite, limit):
    """Runs it with its output shown as it comes, and counts from the runner's own closing lines."""
    announce(suite)
    started = time.monotonic()
    process = subprocess.Popen(
        suite.command,
        cwd=suite.cwd,
        env={**os.environ, **suite.env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    watchdog = threading.Timer(limit, end_group, [process, suite, limit]) if limit else None
    if watchdog:
        watchdog.start()
    for line in process.stdout:
        print(line, end="", flush=True)
        passed, failed = count(line)
        suite.passed += passed
        suite.failed += failed
    code = process.wait()
    if watchdog:
        watchdog.cancel()
    suite.seconds = time.monotonic() - started
    if code and not suite.failed:
        suite.failed = 1


def end_group(process, suite, limit):
    print(f"{suite.name}: still running after {limit} s, so it is hung and ended", flush=True)
    os.killpg(process.pid, signal.SIGKILL)


NEXTEST = re.compile(r"^\s*Summary \[.*\] +(?:\d+/)?(\d+) tests? run: (\d+) passed")
LIBTEST = re.compile(r"^test result: .* (\d+) passed; (\d+) failed;")
PLAIN = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def count(line):
    """How many tests this line says passed and failed; nearly every line says nothing of the kind."""
    line = COLOUR.sub("", line)
    if found := NEXTEST.match(line):
        ran, passed = int(found[1]), int(found[2])
        return passed, ran - passed
    if found := LIBTEST.match(line) or PLAIN.match(line):
        return int(found[1]), int(found[2])
    return 0, 0


def announce(suite):
    print(f"\n── {suite.name} (budget {suite.budget} s)", flush=True)


def report(suites):
    print("\nsuite                            seconds   budget   passed   failed")
    for suite in suites:
        if suite.name != "build" and suite.passed + suite.failed == 0:
            continue
        mark = "  over budget" if suite.seconds > suite.budget else ""
        mark = "  FAILED" if suite.failed else mark
        row = f"{suite.name:<32} {suite.seconds:>7.1f} {suite.budget:>8} {suite.passed:>8} {suite.failed:>8}{mark}"
        print(row)
    seconds = sum(suite.seconds for suite in suites)
    budget = sum(suite.budget for suite in suites)
    print(f"{'total':<32} {seconds:>7.1f} {budget:>8}\n")
    print(f"{sum(s.passed for s in suites)} passed, {sum(s.failed for s in suites)} failed", flush=True)


if __name__ == "__main__":
    sys.exit(main())
