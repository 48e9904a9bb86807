"""The balancer's own configuration before three gateways on one PostgreSQL, one of which is killed while webhooks come."""

import collections
import contextlib
import hashlib
import hmac
import http.client
import http.server
import json
import os
import pwd
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import harness
from harness import ADMIN_KEY, DEPLOY, MASTER_KEY, eventually, folder, free_port, get, must, running, test

CONFIGURATION = DEPLOY / "compose/haproxy.cfg"
SECRET = "a-secret-of-github"
SENDERS = 4
PATIENCE_SECONDS = 30
# Nearly all that a gateway takes as the head of a request (limits.header_bytes).
LONG_HEAD_BYTES = 60 * 1024


@test
def the_balancer_takes_its_configuration():
    # The names of the nodes are known in compose's network only: that they are not here is a warning.
    must(["haproxy", "-c", "-f", str(CONFIGURATION)])


class Sink(http.server.ThreadingHTTPServer):
    """A destination that notes which events arrived, and how often."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self):
        super().__init__(("127.0.0.1", 0), SinkHandler)
        self.got, self.lock = collections.Counter(), threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class SinkHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))["id"]
        with self.server.lock:
            self.server.got[event] += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Senders:
    """Threads that send signed webhooks through the balancer, each again until it is answered 2xx, as senders do."""

    def __init__(self, port):
        self.port, self.lock = port, threading.Lock()
        self.acknowledged, self.failed, self.given_up = {}, [], []
        self.ends = threading.Event()
        self.threads = [threading.Thread(target=self.send_all, args=(number,)) for number in range(SENDERS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        for thread in self.threads:
            thread.join()

    def send_all(self, sender):
        number = 0
        while not self.ends.wait(0.01):
            number += 1
            delivery = f"{sender:08x}-0000-4000-8000-{number:012x}"
            end = time.monotonic() + PATIENCE_SECONDS
            while (event := self.send(delivery)) is None and time.monotonic() < end:
                time.sleep(0.1)
            with self.lock:
                if event:
                    self.acknowledged[delivery] = event
                else:
                    self.given_up.append(delivery)

    def send(self, delivery):
        body = json.dumps({"action": "opened", "number": delivery}).encode()
        signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"content-type": "application/json", "x-github-event": "issues", "x-github-delivery": delivery}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", "/in/github", body, {**headers, "x-hub-signature-256": signature})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status == 200:
                return json.loads(text)["events"][0]["id"]
            self.note_failure(answer.status)
        except (OSError, http.client.HTTPException) as error:
            self.note_failure(type(error).__name__)
        finally:
            connection.close()
        return None

    def note_failure(self, what):
        with self.lock:
            self.failed.append(what)

    def more(self, count):
        """Waits until so many more are acknowledged."""
        before = len(self.acknowledged)
        eventually(f"{count} more webhooks acknowledged", lambda: len(self.acknowledged) >= before + count, 60)


def answer(port, headers):
    """What a webhook without a signature gets: status and headers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", "/in/github", b"{}", headers)
        got = connection.getresponse()
        got.read()
        return got.status, got.headers


def unready(port):
    got = answer(port, {})
    return got if got[0] == 503 else None


@contextlib.contextmanager
def database(here):
    """A PostgreSQL of the test's own, on a socket in its folder."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin/initdb")).parent
    data = here / "postgres"
    data.mkdir()
    options = {"cwd": "/"}
    if os.getuid() == 0:
        # It refuses to be root's.
        user = pwd.getpwnam("postgres")
        os.chown(data, user.pw_uid, user.pw_gid)
        here.chmod(0o711)
        options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    cluster = str(data / "cluster")
    must([programs / "initdb", "-D", cluster, "-U", "postgres", "--auth=trust", "--no-sync"], **options)
    settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={data}", "-c", "fsync=off"]
    with running([str(programs / "postgres"), "-D", cluster, *settings], here / "postgres.log", **options) as server:
        ready = [str(programs / "pg_isready"), "-q", "-h", str(data), "-U", "postgres"]
        eventually("PostgreSQL", lambda: subprocess.run(ready, stdin=subprocess.DEVNULL).returncode == 0)
        yield f"postgres://postgres@{str(data).replace('/', '%2F')}/postgres"
        # Ends at once, its clients disconnected.
        server.send_signal(signal.SIGQUIT)
        server.wait(30)


class Cluster:
    """Three nodes and the balancer, each on a port of loopback."""

    def __init__(self, here, store, sink):
        self.here, self.store = here, store
        self.ports = [free_port() for _ in range(3)]
        self.balancer = free_port()
        self.nodes = [contextlib.ExitStack() for _ in range(3)]
        (here / "trireme.yaml").write_text(
            "sources: { github: { webhook: { provider: github, secret: '%s' } } }\n"
            "destinations: { app: { http: { url: 'http://127.0.0.1:%d/', unsigned: true },"
            " retry: { list: [100ms, 1s], attempts: 50 } } }\n"
            "routes: [{ from: github, to: app }]\n"
            "egress: { allow: ['127.0.0.0/8'] }\n"
            "trusted_proxies: ['127.0.0.0/8']\n" % (SECRET, sink.server_address[1])
        )

    def configuration(self):
        """That of compose, with loopback's ports for names."""
        text = CONFIGURATION.read_text()
        for number, port in enumerate(self.ports, 1):
            text, found = re.subn(rf"\bnode{number}:8080\b", f"127.0.0.1:{port}", text)
            assert found == 1, f"node{number}"
        text, found = re.subn(r"bind :8080\b", f"bind 127.0.0.1:{self.balancer}", text)
        assert found == 1, "bind"
        path = self.here / "haproxy.cfg"
        path.write_text(text)
        return str(path)

    def start(self, number):
        env = {"TRIREME_STORE": self.store, "TRIREME_MASTER_KEY": MASTER_KEY, "TRIREME_ADMIN_KEY": ADMIN_KEY}
        env |= {"TRIREME_NODE": f"node{number + 1}", "TRIREME_LISTEN": f"127.0.0.1:{self.ports[number]}"}
        command = [harness.GATEWAY, "serve", "--config", "trireme.yaml", "--data", f"data{number}"]
        log = self.here / f"node{number}.log"
        process = self.nodes[number].enter_context(running(command, log, env, cwd=self.here))
        url = f"http://127.0.0.1:{self.ports[number]}/readyz"
        eventually(f"node {number} is ready", lambda: process.poll() is not None or get(url)[0] == 200, 60)
        assert process.poll() is None, log.read_text()
        return process

    def accepted(self, number):
        """Events that this node took in, by its own figures."""
        text = get(f"http://127.0.0.1:{self.ports[number]}/metrics")[1].decode()
        return sum(float(one) for one in re.findall(r"^trireme_events_accepted_total\{.*\} (.+)$", text, re.MULTILINE))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.close()


@test
def nothing_acknowledged_is_lost_when_nodes_behind_the_balancer_stop_and_die():
    with folder() as here, Sink() as sink, database(here) as store, Cluster(here, store, sink) as cluster:
        processes = [cluster.start(number) for number in range(3)]
        command = ["haproxy", "-db", "-f", cluster.configuration()]
        with running(command, here / "haproxy.log") as balancer:
            address = f"http://127.0.0.1:{cluster.balancer}"
            eventually("the balancer answers", lambda: get(f"{address}/openapi.json")[0] == 200)
            assert get(f"{address}/readyz")[0] == 404, "health and figures are not for outside"
            with Senders(cluster.balancer) as senders:
                senders.more(100)
                assert not senders.failed, senders.failed
                assert all(cluster.accepted(number) for number in range(3)), "each node takes its part"
                processes[0].send_signal(signal.SIGTERM)
                assert processes[0].wait(40) == 0
                senders.more(50)
                stopped = list(senders.failed)
                cluster.start(0)
                senders.more(100)
                processes[1].kill()
                senders.more(200)
                cluster.start(1)
                senders.more(100)
            assert balancer.poll() is None, (here / "haproxy.log").read_text()
            assert not senders.given_up, f"{senders.given_up} although two nodes were alive"
            events = set(senders.acknowledged.values())
            assert len(events) == len(senders.acknowledged), "each webhook is an event of its own"
            eventually("everything acknowledged is delivered", lambda: events <= set(sink.got), 60)
            long_head = {"x-long": "a" * LONG_HEAD_BYTES}
            assert answer(cluster.balancer, long_head)[0] == 401, "unsigned, and not too long for the balancer"
            for node in cluster.nodes:
                node.close()
            status, headers = eventually("it says that nobody is there", lambda: unready(cluster.balancer), 20)
            assert headers["Retry-After"] == "5", (status, headers)
        print(f"         {len(events)} acknowledged and delivered; answers that failed: {collections.Counter(stopped)} at")
        print(f"         the stop, {collections.Counter(senders.failed[len(stopped):])} at the kill and the starts")
        assert not stopped, f"a stop in order costs no sender anything, but: {stopped}"
