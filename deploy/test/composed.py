"""The compose file: compose's own verdict on it, its secrets, and the gateway's on its configuration."""

import json
import re
import shutil

import harness
import yaml
from harness import DEPLOY, folder, must, said, serve_variables, test

COMPOSE = DEPLOY / "compose"
# What an engine's plugin is, and what Debian has.
PROGRAM = ["docker-compose"]
SECRETS = ["POSTGRES_PASSWORD", "TRIREME_MASTER_KEY", "TRIREME_ADMIN_KEY"]


def copied(here):
    """The folder as somebody has it who just got it; without the context of the build, which compose does not read."""
    into = here / "compose"
    shutil.copytree(COMPOSE, into, ignore=shutil.ignore_patterns(".env"))
    return into


@test
def compose_takes_the_file_once_the_secrets_are_made_and_not_before():
    with folder() as here:
        into = copied(here)
        (into / ".env").touch()
        code, text = said([*PROGRAM, "config"], cwd=into)
        assert code != 0 and "run ./secrets first" in text, f"it has a default for a secret: {text}"
        (into / ".env").unlink()
        must(["./secrets"], cwd=into)
        written = (into / ".env").read_text()
        assert (into / ".env").stat().st_mode & 0o077 == 0, "others can read the secrets"
        assert said(["./secrets"], cwd=into)[0] != 0 and (into / ".env").read_text() == written, "made once"
        services = yaml.safe_load(must([*PROGRAM, "config"], cwd=into))["services"]
        assert sorted(services) == ["balancer", "node1", "node2", "node3", "postgres"]
        values = dict(line.split("=", 1) for line in written.splitlines())
        for node in (services[f"node{number}"] for number in (1, 2, 3)):
            environment = node["environment"]
            assert {name for name in environment if name.startswith("TRIREME_")} <= serve_variables()
            assert values["POSTGRES_PASSWORD"] in environment["TRIREME_STORE"]
            assert environment["TRIREME_CLUSTER"] == "compose", "a store of another cluster is refused"
            assert node["read_only"] and node["cap_drop"] == ["ALL"]
            places = [volume if isinstance(volume, str) else volume["target"] for volume in node["volumes"]]
            assert environment["TMPDIR"] in places, "large downloads have nowhere to wait"
        published = [name for name, service in services.items() if service.get("ports")]
        assert published == ["balancer"], "the nodes and the database are reached from inside only"


@test
def the_gateway_takes_the_configuration_of_compose():
    with folder() as here:
        into = copied(here)
        must(["./secrets"], cwd=into)
        env = dict(line.split("=", 1) for line in (into / ".env").read_text().splitlines())
        checked = json.loads(must([harness.GATEWAY, "--json", "check", "--config", "trireme.yaml"], cwd=into, env=env))
        assert checked["ok"] and not checked["warnings"], checked


@test
def no_secret_stands_in_the_files():
    text = (COMPOSE / "compose.yaml").read_text()
    for name in SECRETS:
        uses = re.findall(rf"\$\{{{name}[^}}]*\}}", text)
        assert uses and all(use.startswith(f"${{{name}:?") for use in uses), f"{name} has to be given: {uses}"


@test
def the_balancer_names_the_nodes_and_the_nodes_trust_it():
    compose = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    servers = re.findall(r"server (\w+) (\w+):8080", (COMPOSE / "haproxy.cfg").read_text())
    nodes = sorted(name for name in compose["services"] if name.startswith("node"))
    assert [names for names in servers] == [(name, name) for name in nodes]
    subnet = compose["networks"]["default"]["ipam"]["config"][0]["subnet"]
    assert yaml.safe_load((COMPOSE / "trireme.yaml").read_text())["trusted_proxies"] == [subnet]
