"""The systemd units: systemd's own verdict on them, and the gateway under what they promise and take away."""

import ctypes
import errno
import os
import re
import signal
import socket
import urllib.request
from pathlib import Path

import harness
import seccomp
from harness import ADMIN_KEY, DEPLOY, eventually, folder, get, must, running, serve_variables, test

UNITS = DEPLOY / "systemd"
# Tenths of systemd's exposure, from 0 to 100. What is left is that it has the network, and the host's files to read.
EXPOSURE_MOST = 15
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1


def unit():
    return (UNITS / "trireme.service").read_text()


def values(key):
    return re.findall(rf"^{key}=(.*)$", unit(), re.MULTILINE)


@test
def systemd_finds_no_fault_in_the_units():
    with folder() as here:
        for source in UNITS.glob("trireme*"):
            text = source.read_text().replace("/usr/local/bin/trireme", harness.GATEWAY)
            (here / source.name).write_text(text)
        units = sorted(str(path) for path in here.glob("*.s*"))
        assert len(units) == 3, units
        text = must(["systemd-analyze", "verify", "--man=no", *units])
        assert str(here) not in text, text
        service = str(here / "trireme.service")
        must(["systemd-analyze", "security", "--offline=yes", "--no-pager", f"--threshold={EXPOSURE_MOST}", service])


@test
def the_unit_names_only_what_serve_has():
    named = {line.split("=")[0] for line in values("Environment")}
    assert "TRIREME_DATA" in named and named <= serve_variables(), named
    assert values("ExecStart") == ["/usr/local/bin/trireme serve"]
    assert values("RestartPreventExitStatus") == ["2 4"], "as the table of exit codes says"
    tries = int(values("StartLimitIntervalSec")[0]) / int(values("RestartSec")[0])
    assert tries < int(values("StartLimitBurst")[0]), "a database that comes later is waited for"
    drain = int(re.search(r"--drain.*?\[default: (\d+)s\]", must([harness.GATEWAY, "serve", "--help"]), re.DOTALL)[1])
    assert int(values("TimeoutStopSec")[0]) > drain


def system_calls(group):
    """What a group such as @system-service stands for, by systemd's own list."""
    names = set()
    for line in must(["systemd-analyze", "syscall-filter", "--no-pager", group]).splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            names |= system_calls(word)
        elif word and not word.startswith("#"):
            names.add(word)
    return names


def allowed_calls():
    """SystemCallFilter=, each line of which adds to what may be called or, after `~`, takes away from it."""
    allowed = set()
    for line in values("SystemCallFilter"):
        named = set().union(*(system_calls(group) for group in line.removeprefix("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    assert "read" in allowed and "mount" not in allowed and len(allowed) > 200, allowed
    return allowed


def confined(allowed):
    """Before the program starts: only the system calls of the unit, and no writable code."""
    assert values("SystemCallErrorNumber") == ["EPERM"]

    def confine():
        without_writable_code()
        confinement = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
        for name in allowed:
            # Those that this architecture does not have are none to allow.
            if seccomp.resolve_syscall(seccomp.Arch(), name) >= 0:
                confinement.add_rule(seccomp.ALLOW, name)
        confinement.load()

    return confine


def without_writable_code():
    """What MemoryDenyWriteExecute= takes away, by the kernel's own switch for it, where it has one."""
    if not supports_mdwe():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_MDWE")


def supports_mdwe():
    major, minor = (int(part) for part in os.uname().release.split(".")[:2])
    return (major, minor) >= (6, 3)


@test
def under_the_unit_it_notifies_reloads_and_a_restart_refuses_nobody():
    with folder() as here, socket.create_server(("127.0.0.1", 0), backlog=64) as listener, notified(here) as notes:
        (here / "trireme.yaml").write_text("sources: { own: { publish: true } }\n")
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        env = dict(line.split("=", 1) for line in values("Environment"))
        env |= {"TRIREME_CONFIG": str(here / "trireme.yaml"), "TRIREME_DATA": str(here / "data")}
        env |= {"TRIREME_ADMIN_KEY": ADMIN_KEY, "NOTIFY_SOCKET": str(here / "notify")}
        env |= {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "main"}
        # The socket is descriptor 3, and LISTEN_PID the gateway's own, which a shell knows before it becomes it.
        become = f'LISTEN_PID=$$ exec "$0" serve 3<&{listener.fileno()}'
        command = ["/bin/sh", "-c", become, harness.GATEWAY]
        start = dict(env=env, pass_fds=[listener.fileno()], preexec_fn=confined(allowed_calls()))
        with running(command, here / "log", **start) as first:
            assert notes.recv(64) == b"READY=1", (here / "log").read_text()
            assert get(f"{address}/readyz")[0] == 200
            assert "Seccomp:\t2" in Path(f"/proc/{first.pid}/status").read_text(), "it is not confined"
            publish(address)
            first.send_signal(signal.SIGHUP)
            eventually("the reload", lambda: "was taken over" in (here / "log").read_text(), 10)
            first.send_signal(signal.SIGTERM)
            assert notes.recv(64) == b"STOPPING=1"
            assert first.wait(30) == 0
        # Nobody serves now. Who connects waits in the socket that systemd keeps.
        with socket.create_connection(listener.getsockname(), timeout=30) as waiting:
            waiting.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            with running(command, here / "log", **start):
                assert waiting.recv(64).startswith(b"HTTP/1.1 200 "), (here / "log").read_text()


def publish(address):
    headers = {"authorization": f"Bearer {ADMIN_KEY}", "content-type": "application/json"}
    event = urllib.request.Request(f"{address}/api/v1/events", b'{"source":"own","type":"a","data":1}', headers)
    with urllib.request.urlopen(event, timeout=10) as answer:
        assert answer.status in (200, 201, 202), answer.status


class notified:
    """The socket that systemd listens on for what its services say."""

    def __init__(self, here):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(here / "notify"))
        self.socket.settimeout(30)

    def __enter__(self):
        return self.socket

    def __exit__(self, *_):
        self.socket.close()
