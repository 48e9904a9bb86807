"""What the tests of the deployment share: finding things, processes that end with the test, and one line a test."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import traceback
import urllib.error
import urllib.request
from pathlib import Path

DEPLOY = Path(__file__).resolve().parent.parent
ROOT = DEPLOY.parent
GATEWAY = None

ADMIN_KEY = "trk_admin_" + "0" * 32
MASTER_KEY = "00112233445566778899aabbccddeeff" * 2

TESTS = []


def test(function):
    TESTS.append(function)
    return function


def run_all():
    failed = 0
    for one in TESTS:
        started = time.monotonic()
        try:
            one()
            verdict = "ok"
        except Exception:
            failed += 1
            verdict = f"FAILED\n{traceback.format_exc()}"
        name = one.__name__.replace("_", " ")
        print(f"{time.monotonic() - started:6.1f} s  {name}: {verdict}", flush=True)
    print(f"{len(TESTS) - failed} passed, {failed} failed", flush=True)
    return failed


def said(command, **options):
    """Runs it; what it printed, and its exit code."""
    options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    return done.returncode, done.stdout


def must(command, **options):
    code, text = said(command, **options)
    assert code == 0, f"{command} ended with {code}:\n{text}"
    return text


def serve_variables():
    """Every variable that `trireme serve` reads, by its own word."""
    help_text = must([GATEWAY, "serve", "--help"])
    return set(re.findall(r"\[env: (TRIREME_\w+)", help_text)) | {"TRIREME_ADMIN_KEY", "TRIREME_MASTER_KEY"}


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix="trireme-deploy-") as path:
        yield Path(path)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def running(command, log, env=None, **options):
    """A process with its log in a file; killed when the test is over, unless it ended."""
    with open(log, "ab") as out:
        process = subprocess.Popen(
            command, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **options
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()


def eventually(what, holds, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.05)
    raise AssertionError(f"in {seconds} s it did not come to: {what}")


def get(url):
    """Status and body; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        return 0, str(error).encode()
