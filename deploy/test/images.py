"""The container file and what is in the image besides the gateway."""

import re
import shutil
import socket

import harness
from harness import ADMIN_KEY, DEPLOY, ROOT, eventually, folder, free_port, get, must, running, said
from harness import serve_variables, test

CONTAINERFILE = DEPLOY / "container/Containerfile"
READY = str(DEPLOY / "container/ready")


def instructions():
    """The instructions of the file as (word, rest), continued lines joined."""
    text = re.sub(r"\\\n", " ", "".join(line for line in CONTAINERFILE.open() if not line.startswith("#")))
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def last(word):
    return [rest for name, rest in instructions() if name == word][-1]


@test
def the_image_names_only_what_serve_has_and_runs_as_nobody_special():
    named = set(re.findall(r"(\w+)=", last("ENV")))
    assert "TRIREME_LISTEN" in named and named - {"TMPDIR"} <= serve_variables(), named
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", last("USER").strip()), "a number, which orchestrators can judge"
    assert last("STOPSIGNAL") == "SIGTERM"
    assert f"TRIREME_DATA={last('VOLUME').strip()}" in last("ENV")


def sent():
    """What of the repository the build gets to see."""
    return [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]


@test
def no_secret_and_nothing_superfluous_gets_into_the_build():
    assert all((ROOT / path).exists() for path in sent()), sent()
    assert ".git" not in sent() and "deploy" not in sent()
    assert not [rest for word, rest in instructions() if word in ("ARG", "ENV") and re.search("SECRET|KEY|PASS", rest)]


@test
def the_build_gets_all_that_cargo_and_the_code_ask_for():
    unwanted = shutil.ignore_patterns("target", ".cache", "node_modules", ".env")
    with folder() as here:
        for path in sent():
            whole = shutil.copytree if (ROOT / path).is_dir() else shutil.copy2
            (here / path).parent.mkdir(parents=True, exist_ok=True)
            whole(ROOT / path, here / path, **({"ignore": unwanted} if whole is shutil.copytree else {}))
        manifest = ["cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"]
        assert '"name":"trireme"' in must(manifest, cwd=here)
        included = 0
        for code in here.glob("crates/*/src/**/*.rs"):
            for name in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', code.read_text()):
                included += 1
                assert (code.parent / name).exists(), f"{code.relative_to(here)} includes {name}"
        assert included > 5, included


@test
def the_health_check_tells_ready_from_not():
    port = free_port()
    env = {"TRIREME_LISTEN": f"127.0.0.1:{port}", "TRIREME_ADMIN_KEY": ADMIN_KEY}
    assert said([READY], env=env)[0] != 0, "nobody listens"
    with folder() as here:
        (here / "trireme.yaml").write_text("sources: { own: { publish: true } }\n")
        command = [harness.GATEWAY, "serve", "--data", str(here / "data")]
        with running(command, here / "log", env=env, cwd=here):
            eventually("ready", lambda: get(f"http://127.0.0.1:{port}/readyz")[0] == 200)
            assert said([READY], env=env) == (0, "")
    with socket.create_server(("127.0.0.1", port)):
        assert said([READY], env=env)[0] != 0, "it accepts and says nothing"
