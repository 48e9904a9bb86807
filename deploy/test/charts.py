"""The chart, rendered by the template language that helm uses, against the Kubernetes API as its client knows it."""

import base64
import functools
import json
import os
import re
import subprocess
from pathlib import Path

import harness
import jsonschema
import kubernetes.client
import yaml
from harness import DEPLOY, ROOT, folder, must, serve_variables, test

CHART = DEPLOY / "helm/trireme"
BASE = {"existingSecret": "trireme"}
POSTGRES = {**BASE, "store": "postgres", "configSecrets": ["shops"]}
INGRESS = {"enabled": True, "host": "hooks.example", "tlsSecret": "tls", "className": "nginx"}
ALL = {
    **POSTGRES,
    "ingress": {**INGRESS, "annotations": {"a/b": "c"}},
    "imagePullSecrets": [{"name": "pull"}],
    "persistence": {"storageClass": "fast"},
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"a": "b"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
}


@functools.cache
def renderer():
    """The renderer, built with Debian's Go and its libraries; no module is fetched."""
    into = ROOT / ".cache/deploy/render"
    into.parent.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
    env["GOCACHE"] = str(ROOT / ".cache/deploy/go")
    must(["go", "build", "-o", str(into), "."], cwd=DEPLOY / "test/render", env=env)
    return str(into)


def merged(base, over):
    both = {**base, **over}
    deeper = [key for key in both if isinstance(base.get(key), dict) and isinstance(over.get(key), dict)]
    return {**both, **{key: merged(base[key], over[key]) for key in deeper}}


def render(over, release="demo"):
    """Exit code, and what helm would send by kind, or the error."""
    values = merged(yaml.safe_load((CHART / "values.yaml").read_text()), over)
    jsonschema.validate(values, json.loads((CHART / "values.schema.json").read_text()))
    command = [renderer(), str(CHART), release]
    done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True)
    if done.returncode:
        return done.returncode, done.stderr
    objects = {}
    for name, text in json.loads(done.stdout).items():
        if name.endswith(".yaml") and (one := yaml.safe_load(text)):
            assert one["kind"] not in objects, "two of a kind"
            objects[one["kind"]] = one
    return 0, objects


def rendered(over):
    code, objects = render(over)
    assert code == 0, objects
    return objects


PLAIN = {"str": str, "int": int, "bool": bool, "float": (int, float), "object": object, "datetime": str}


def judge(value, kind, where):
    """That a value is what the API says it is: no key that it does not know, none missing, types as it wants."""
    if listed := re.fullmatch(r"list\[(.+)\]", kind):
        assert isinstance(value, list), where
        for number, one in enumerate(value):
            judge(one, listed[1], f"{where}[{number}]")
    elif mapped := re.fullmatch(r"dict\(str, (.+)\)", kind):
        assert isinstance(value, dict), where
        for key, one in value.items():
            assert isinstance(key, str), f"{where}.{key}"
            judge(one, mapped[1], f"{where}.{key}")
    elif kind in PLAIN:
        assert isinstance(value, PLAIN[kind]) and (kind != "int" or not isinstance(value, bool)), f"{where}: {value!r}"
    else:
        judge_object(value, getattr(kubernetes.client, kind), where)


def judge_object(value, model, where):
    assert isinstance(value, dict), f"{where}: {value!r}"
    attributes = {json_name: name for name, json_name in model.attribute_map.items()}
    for key, one in value.items():
        assert key in attributes, f"{where} has no {key}"
        judge(one, model.openapi_types[attributes[key]], f"{where}.{key}")
    # The model itself refuses what is required and missing, by a ValueError that names it.
    model(**{attributes[key]: one for key, one in value.items()})


@test
def every_rendered_object_is_one_that_kubernetes_takes():
    for over in (BASE, POSTGRES, ALL, {**ALL, "store": "sqlite"}):
        objects = rendered(over)
        assert len(objects) >= 3, sorted(objects)
        for kind, one in objects.items():
            judge(one, f"V1{kind}", kind)


@test
def the_judge_of_objects_refuses_wrong_ones():
    good = rendered(POSTGRES)["Deployment"]
    for spoil in (lambda one: one["spec"].update(replica=3), lambda one: one["spec"].update(replicas="3"),
                  lambda one: one["spec"].pop("selector")):
        bad = json.loads(json.dumps(good))
        spoil(bad)
        try:
            judge(bad, "V1Deployment", "Deployment")
        except (AssertionError, ValueError):
            continue
        raise AssertionError("a wrong object was taken")


def pod(objects):
    one = objects.get("Deployment") or objects["StatefulSet"]
    assert one["spec"]["selector"]["matchLabels"].items() <= one["spec"]["template"]["metadata"]["labels"].items()
    assert objects["Service"]["spec"]["selector"] == one["spec"]["selector"]["matchLabels"]
    return one["spec"]["template"]["spec"]


@test
def one_pod_on_sqlite_and_many_on_postgres():
    sqlite, postgres = rendered(BASE), rendered(POSTGRES)
    assert "Deployment" not in sqlite and sqlite["StatefulSet"]["spec"]["replicas"] == 1
    assert "PodDisruptionBudget" not in sqlite, "a budget of one pod would hold up every drain of a machine"
    claim = sqlite["StatefulSet"]["spec"]["volumeClaimTemplates"][0]["metadata"]["name"]
    assert claim in [mount["name"] for mount in pod(sqlite)["containers"][0]["volumeMounts"]]
    assert "StatefulSet" not in postgres and postgres["Deployment"]["spec"]["replicas"] == 3
    rolling = postgres["Deployment"]["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 1, "maxUnavailable": 0}
    assert postgres["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1
    assert "PodDisruptionBudget" not in rendered({**POSTGRES, "replicas": 1})
    variables = {one["name"] for one in pod(postgres)["containers"][0]["env"]}
    assert variables - {one["name"] for one in pod(sqlite)["containers"][0]["env"]} == {
        "TRIREME_STORE", "TRIREME_CLUSTER", "TRIREME_APPLY"}
    clusters = [{one["name"]: one.get("value") for one in pod(objects)["containers"][0]["env"]}["TRIREME_CLUSTER"]
                for objects in (postgres, rendered({**POSTGRES, "cluster": "eu"}))]
    assert clusters == ["default/demo", "eu"], "a store of another cluster is refused"


@test
def the_pod_fits_the_program_and_the_image():
    user = re.search(r"^USER (\d+):(\d+)$", (DEPLOY / "container/Containerfile").read_text(), re.MULTILINE)
    paths = json.loads((ROOT / "docs/openapi.json").read_text())["paths"]
    for over in (BASE, POSTGRES):
        spec = pod(rendered(over))
        container, context = spec["containers"][0], spec["securityContext"]
        assert (context["runAsUser"], context["runAsGroup"]) == (int(user[1]), int(user[2])) and context["runAsNonRoot"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        probes = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
        assert probes == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
        assert set(probes.values()) <= set(paths)
        environment = {one["name"]: one.get("value") for one in container["env"]}
        downloads = environment.pop("TMPDIR")
        assert set(environment) <= serve_variables(), environment
        written = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
        assert written == [str(Path(environment["TRIREME_DATA"]).parent), downloads]
        assert spec["terminationGracePeriodSeconds"] > 5 + int(environment["TRIREME_DRAIN"].rstrip("s"))


@test
def secrets_come_by_reference_and_senders_reach_what_is_theirs():
    code, text = render({})
    assert code != 0 and "existingSecret has to name a Secret" in text, text
    objects = rendered({**POSTGRES, "ingress": INGRESS})
    assert "Secret" not in objects
    for one in pod(objects)["containers"][0]["env"]:
        if one["name"] in ("TRIREME_MASTER_KEY", "TRIREME_ADMIN_KEY", "TRIREME_STORE"):
            assert one["valueFrom"]["secretKeyRef"]["name"] == "trireme" and "value" not in one
    rule = objects["Ingress"]["spec"]["rules"][0]
    assert [path["path"] for path in rule["http"]["paths"]] == ["/in", "/t"], "API and dashboard are not for everybody"


@test
def the_gateway_takes_the_configuration_that_the_chart_writes():
    config = {"sources": {"github": {"webhook": {"provider": "github", "secret": "${GITHUB_SECRET}"}}},
              "destinations": {"app": {"http": {"url": "https://app.example/", "unsigned": True}}},
              "routes": [{"from": "github", "to": "app", "when": "data.action = 'opened'"}]}
    for over in (BASE, {**BASE, "config": config}):
        written = rendered(over)["ConfigMap"]["data"]["trireme.yaml"]
        with folder() as here:
            (here / "trireme.yaml").write_text(written)
            env = {**os.environ, "GITHUB_SECRET": "a-secret-of-github"}
            assert json.loads(must([harness.GATEWAY, "--json", "check"], cwd=here, env=env))["ok"]


@test
def the_values_that_the_guide_shows_are_ones_to_start_from():
    page = (ROOT / "docs/guide/deploy.md").read_text()
    shown = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]
    assert len(shown) == 2, shown
    one, many = rendered(shown[0]), rendered(merged(shown[0], shown[1]))
    assert "StatefulSet" in one and many["Deployment"]["spec"]["replicas"] == shown[1]["replicas"]
    assert one["Ingress"]["spec"]["rules"][0]["host"] == "hooks.example"
    with folder() as here:
        (here / "trireme.yaml").write_text(one["ConfigMap"]["data"]["trireme.yaml"])
        app_secret = "whsec_" + base64.b64encode(bytes(32)).decode()
        env = {**os.environ, "GITHUB_SECRET": "a-secret-of-github", "APP_SECRET": app_secret}
        assert json.loads(must([harness.GATEWAY, "--json", "check"], cwd=here, env=env))["ok"]


@test
def values_that_the_chart_does_not_know_are_refused():
    for over in ({"replica": 3}, {"store": "mysql"}, {"image": {"name": "x"}}, {"replicas": 0}):
        try:
            render({**BASE, **over})
        except jsonschema.ValidationError:
            continue
        raise AssertionError(f"{over} was taken")
