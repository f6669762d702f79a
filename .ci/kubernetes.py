"""Tries the manifests of deploy/kubernetes without a cluster.

Renders every overlay and the example with the real kustomize, holds them against the schemas of three versions of
Kubernetes, against rules of security and against each other, and runs the program as the rendered pod would: its
command, its variables, its files, its probes; then plays an update of the ConfigMap and of the Secret.

    python kubernetes.py VESTIBULE      (wants kubectl, kubernetes-validate and jsonschema of requirements.txt)
"""

import copy
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parent.parent
KUBECTL = Path(sys.executable).parent / "kubectl"
VERSIONS = ("1.35", "1.36", "1.37")
# What the Secret of the pod holds; it has no manifest.
SECRETS = {"root-secret": "a root secret that is only for this check 0123456789", "client-secret": "the application's secret",
           "redis-password": "a-password-of-the-store"}
SECRET_PATTERN = re.compile(r"\b(client_secret|secret|password):\s*(?!\{)\S")

checks = 0


def check(holds, what):
    """One thing that has to hold."""
    global checks
    checks += 1
    if not holds:
        sys.exit(f"FAILED: {what}")


def closed(required, **properties):
    """The schema of an object that has no other members than these."""
    return {"type": "object", "required": required, "additionalProperties": False, "properties": properties}


TEXT = {"type": "string"}
LABELS = {"type": "object", "additionalProperties": TEXT}
# kubernetes-validate has Kubernetes' own kinds only: of the others, the part that is used here, by their documentation.
OTHER_KINDS = {
    "ServiceMonitor": closed(["selector", "endpoints"], selector=closed(["matchLabels"], matchLabels=LABELS), endpoints={
        "type": "array", "items": closed(["port"], port=TEXT, path=TEXT, interval=TEXT)}),
    "PrometheusRule": closed(["groups"], groups={"type": "array", "minItems": 1, "items": closed(["name", "rules"], name=TEXT, interval=TEXT, rules={
        "type": "array", "items": closed(["expr"], record=TEXT, alert=TEXT, expr=TEXT, labels=LABELS, annotations=LABELS, **{
            "for": TEXT, "keep_firing_for": TEXT})})}),
    "HTTPRoute": closed(["parentRefs", "rules"], hostnames={"type": "array", "items": TEXT}, parentRefs={
        "type": "array", "items": closed(["name"], name=TEXT, namespace=TEXT, sectionName=TEXT)}, rules={"type": "array", "items": closed(
            ["backendRefs"], matches={"type": "array", "items": closed(["path"], path=closed(["type", "value"], type={
                "enum": ["Exact", "PathPrefix"]}, value=TEXT))},
            backendRefs={"type": "array", "items": closed(["name", "port"], name=TEXT, port={"type": "integer"})},
            timeouts=closed([], request={"type": "string", "pattern": "^([0-9]{1,5}(h|m|s|ms)){1,4}$"}))}),
}


def render(folder):
    """The manifests that `kubectl apply -k` would send."""
    text = subprocess.run([KUBECTL, "kustomize", folder], check=True, capture_output=True, text=True).stdout
    return [document for document in yaml.safe_load_all(text) if document]


def validate(documents, name):
    """Against the schemas of Kubernetes."""
    for document in documents:
        kind = document["kind"]
        if kind in OTHER_KINDS:
            jsonschema.validate(document["spec"], OTHER_KINDS[kind])
            check(True, kind)
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                sys.exit(f"FAILED: {name}: {kind} in Kubernetes {version}: {error}")
            check(True, kind)


def of_kind(documents, kind):
    return [document for document in documents if document["kind"] == kind]


def violations(deployment):
    """The rules of security that a Deployment breaks: those of the level "restricted" of Kubernetes, and a few more."""
    pod = deployment["spec"]["template"]["spec"]
    if pod.get("automountServiceAccountToken") is not False:
        yield "a token of the service account"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield key
    if any("hostPath" in volume for volume in pod.get("volumes", [])):
        yield "hostPath"
    for container in pod["containers"] + pod.get("initContainers", []):
        own, whole = container.get("securityContext", {}), pod.get("securityContext", {})
        both = {**whole, **own}
        if both.get("runAsNonRoot") is not True or not both.get("runAsUser"):
            yield "root"
        if both.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield "no seccomp profile"
        if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
            yield "more privileges"
        if own.get("readOnlyRootFilesystem") is not True:
            yield "a writable root"
        if own.get("capabilities") != {"drop": ["ALL"]}:
            yield "capabilities"
        resources = container.get("resources", {})
        if not resources.get("limits", {}).get("memory") or not {"cpu", "memory"} <= resources.get("requests", {}).keys():
            yield "no limits"
        if any("subPath" in mount for mount in container.get("volumeMounts", [])):
            yield "subPath, which never follows a change"


def rules_can_fail(deployment):
    """Each rule of security catches what it is there for."""
    def broken(change):
        copied = copy.deepcopy(deployment)
        pod = copied["spec"]["template"]["spec"]
        change(pod, pod["containers"][0])
        return set(violations(copied))

    def without_user(pod, container):
        for context in (pod["securityContext"], container["securityContext"]):
            context.pop("runAsUser", None)

    def without_seccomp(pod, container):
        for context in (pod["securityContext"], container["securityContext"]):
            context.pop("seccompProfile", None)

    for change, expected in (
        (lambda pod, _: pod.pop("automountServiceAccountToken"), "a token of the service account"),
        (lambda pod, _: pod.update(hostNetwork=True), "hostNetwork"),
        (lambda pod, _: pod["volumes"].append({"name": "x", "hostPath": {"path": "/"}}), "hostPath"),
        (without_user, "root"),
        (without_seccomp, "no seccomp profile"),
        (lambda _, container: container["securityContext"].pop("allowPrivilegeEscalation"), "more privileges"),
        (lambda _, container: container["securityContext"].pop("readOnlyRootFilesystem"), "a writable root"),
        (lambda _, container: container["securityContext"].update(capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]}), "capabilities"),
        (lambda _, container: container["resources"].pop("limits"), "no limits"),
        (lambda _, container: container["volumeMounts"][0].update(subPath="x"), "subPath, which never follows a change"),
    ):
        check(expected in broken(change), f"the rule against {expected} catches nothing")


def fits_together(documents, name):
    """What names something else names something that is there."""
    deployments = of_kind(documents, "Deployment") + of_kind(documents, "StatefulSet")
    labels = [deployment["spec"]["template"]["metadata"]["labels"] for deployment in deployments]
    ports = {port["name"] for deployment in deployments for container in deployment["spec"]["template"]["spec"]["containers"]
             for port in container.get("ports", [])}
    services = {service["metadata"]["name"]: service for service in of_kind(documents, "Service")}

    def selects(selector):
        return any(selector.items() <= pod.items() for pod in labels)

    check(services, f"{name}: no Service")
    for service in services.values():
        check(selects(service["spec"]["selector"]), f"{name}: Service {service['metadata']['name']} selects no pod")
        for port in service["spec"]["ports"]:
            check(port["targetPort"] in ports, f"{name}: no port {port['targetPort']}")
    for kind in ("NetworkPolicy", "PodDisruptionBudget"):
        for document in of_kind(documents, kind):
            selector = document["spec"].get("podSelector") or document["spec"].get("selector")
            check(selector["matchLabels"] and selects(selector["matchLabels"]), f"{name}: {kind} selects no pod")
    for policy in of_kind(documents, "NetworkPolicy"):
        for rule in policy["spec"].get("ingress", []):
            for port in rule.get("ports", []):
                check(port["port"] in ports, f"{name}: NetworkPolicy: no port {port['port']}")
    for deployment in deployments:
        check(selects(deployment["spec"]["selector"]["matchLabels"]), f"{name}: a Deployment selects other pods")
        pod = deployment["spec"]["template"]["spec"]
        volumes = {volume["name"] for volume in pod.get("volumes", [])}
        volumes |= {claim["metadata"]["name"] for claim in deployment["spec"].get("volumeClaimTemplates", [])}
        for container in pod["containers"]:
            mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
            check(mounted <= volumes, f"{name}: a mount without a volume")
        config_maps = {document["metadata"]["name"] for document in of_kind(documents, "ConfigMap")}
        for volume in pod.get("volumes", []):
            check(volume.get("configMap", {}).get("name", "vestibule") in config_maps, f"{name}: no such ConfigMap")
    for autoscaler in of_kind(documents, "HorizontalPodAutoscaler"):
        target = autoscaler["spec"]["scaleTargetRef"]["name"]
        scaled = [deployment for deployment in deployments if deployment["metadata"]["name"] == target]
        check(scaled and "replicas" not in scaled[0]["spec"], f"{name}: the autoscaler and the Deployment both say how many replicas")
    for ingress in of_kind(documents, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                target = path["backend"]["service"]
                check(target["port"]["name"] in [port["name"] for port in services[target["name"]]["spec"]["ports"]], f"{name}: Ingress")
    for route in of_kind(documents, "HTTPRoute"):
        for rule in route["spec"]["rules"]:
            for target in rule["backendRefs"]:
                check(target["port"] in [port["port"] for port in services[target["name"]]["spec"]["ports"]], f"{name}: HTTPRoute")
    for monitor in of_kind(documents, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        found = [service for service in services.values() if wanted <= service["metadata"].get("labels", {}).items()]
        check(len(found) == 1, f"{name}: the ServiceMonitor finds {len(found)} Services")
        for endpoint in monitor["spec"]["endpoints"]:
            check(endpoint["port"] in [port["name"] for port in found[0]["spec"]["ports"]], f"{name}: ServiceMonitor: no such port")


def mount(folder, files):
    """Puts files into a folder as the kubelet does: behind one link that is exchanged as a whole."""
    folder.mkdir(parents=True, exist_ok=True)
    content = Path(tempfile.mkdtemp(prefix="..2026_", dir=folder))
    for name, text in files.items():
        (content / name).write_text(text)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..data") / name)
    before = (folder / "..data").resolve() if (folder / "..data").exists() else None
    (folder / "..data_tmp").symlink_to(content.name)
    (folder / "..data_tmp").rename(folder / "..data")
    if before:
        shutil.rmtree(before)


def free_port():
    """One that nobody listens on at the moment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Pod:
    """The program, run as the rendered Deployment says, with other folders and ports."""

    def __init__(self, vestibule, documents, folder):
        self.vestibule, self.folder = vestibule, folder
        deployment = next(d for d in of_kind(documents, "Deployment") if any(
            container["name"] == "vestibule" for container in d["spec"]["template"]["spec"]["containers"]))
        pod = deployment["spec"]["template"]["spec"]
        self.container = next(container for container in pod["containers"] if container["name"] == "vestibule")
        self.config = next(d for d in of_kind(documents, "ConfigMap") if d["metadata"]["name"] == "vestibule")["data"]
        self.volumes = {volume["name"]: volume for volume in pod["volumes"]}
        self.ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}
        self.moved = {}
        for mounted in self.container["volumeMounts"]:
            self.moved[mounted["mountPath"]] = folder / mounted["name"]
        for port in self.ports.values():
            self.moved[f"0.0.0.0:{port}"] = f"127.0.0.1:{free_port()}"
        self.grace = pod["terminationGracePeriodSeconds"] - self.container["lifecycle"]["preStop"]["sleep"]["seconds"]

    def start_store(self, documents):
        """Runs the StatefulSet's own command, with Redis in the place of Valkey; returns the process, if there is one."""
        for stateful in of_kind(documents, "StatefulSet"):
            container = stateful["spec"]["template"]["spec"]["containers"][0]
            name = f"{stateful['metadata']['name']}:{container['ports'][0]['containerPort']}"
            port = free_port()
            self.moved[name] = f"127.0.0.1:{port}"
            data, secrets = self.folder / "store", self.folder / "store-secrets"
            data.mkdir()
            mount(secrets, {item["path"]: SECRETS[item["key"]] for item in stateful["spec"]["template"]["spec"]["volumes"][0]["secret"]["items"]})
            shell, option, script = container["command"]
            script = script.replace("valkey-server -", f"redis-server - --port {port} --bind 127.0.0.1")
            script = script.replace("/etc/valkey", str(secrets)).replace("dir /data", f"dir {data}")
            with open(self.folder / "store.log", "w", encoding="utf-8") as log:
                return subprocess.Popen([shell, option, script], stdout=log, stderr=log)
        return None

    def here(self, text):
        """Text of the manifests with the folders and addresses that they have here."""
        for there, here in self.moved.items():
            text = text.replace(there, str(here))
        return text

    def mount(self, config, secrets):
        """What the kubelet mounts."""
        for name, volume in self.volumes.items():
            if "configMap" in volume:
                mount(self.folder / name, {file: self.here(text) for file, text in config.items()})
            elif "secret" in volume:
                mount(self.folder / name, secrets)
            else:
                (self.folder / name).mkdir(exist_ok=True)

    def environment(self):
        variables = {}
        for variable in self.container.get("env", []):
            if "value" in variable:
                variables[variable["name"]] = self.here(variable["value"])
            else:
                variables[variable["name"]] = SECRETS[variable["valueFrom"]["secretKeyRef"]["key"]]
        return {"PATH": os.environ["PATH"], **variables}

    def run(self, *arguments):
        return subprocess.run([self.vestibule, *arguments], env=self.environment(), cwd=self.folder, capture_output=True, text=True, timeout=60)

    def get(self, path, port="admin"):
        """Status and body of an answer at one of the container's ports; a refused connection has the status 0."""
        address = self.moved[f"0.0.0.0:{self.ports[port]}"]
        try:
            request = urllib.request.Request(f"http://{address}{path}")
            if port == "http":
                request.add_header("Host", urllib.parse.urlsplit(yaml.safe_load(self.config["vestibule.yaml"])["public_url"]).netloc)
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, series):
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(series + " "):
                return float(line.rsplit(" ", 1)[1])
        return None

    def until(self, holds, what):
        deadline = time.monotonic() + 20
        while not holds():
            if time.monotonic() > deadline:
                sys.exit(f"FAILED: {what}\n{(self.folder / 'log').read_text()}")
            time.sleep(0.1)
        check(True, what)


def try_configuration(pod, name):
    """The program accepts what the ConfigMap, the variables and the Secret say together."""
    settings = yaml.safe_load(pod.config["vestibule.yaml"])
    for key, port in (("listen", "http"), ("admin_listen", "admin")):
        check(settings[key] == f"0.0.0.0:{pod.ports[port]}", f"{name}: {key} is not the port {port}")
    drain = int(settings.get("limits", {}).get("drain_timeout", "30s").rstrip("s"))
    check(pod.grace > drain, f"{name}: the pod is killed after {pod.grace} s, while it drains")
    check(not SECRET_PATTERN.search(pod.config["vestibule.yaml"]), f"{name}: a secret in the ConfigMap")
    pod.mount(pod.config, SECRETS)
    arguments = [pod.here(argument) for argument in pod.container["args"]]
    checked = pod.run("check", *arguments[1:])
    check(checked.returncode == 0, f"{name}: {checked.stdout}{checked.stderr}")


def play(pod, name):
    """Starts, asks the probes, updates ConfigMap and Secret, stops."""
    arguments = [pod.here(argument) for argument in pod.container["args"]]
    with open(pod.folder / "log", "w", encoding="utf-8") as log:
        process = subprocess.Popen([pod.vestibule, *arguments], env=pod.environment(), cwd=pod.folder, stdout=log, stderr=log)
    try:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            ask = pod.container[probe]["httpGet"]
            pod.until(lambda ask=ask: pod.get(ask["path"], ask["port"])[0] == 200, f"{name}: {probe}")
        resource = "/.well-known/oauth-protected-resource"

        config = yaml.safe_load(pod.config["vestibule.yaml"])
        routes = next(iter(config["providers"].values()))["routes"]
        check(pod.get(f"{resource}/added", "http")[0] == 404, f"{name}: a route before its time")
        routes.append({"path": "/added", "backend": "http://added:3000/mcp"})
        pod.mount({"vestibule.yaml": yaml.safe_dump(config)}, SECRETS)
        pod.until(lambda: pod.get(f"{resource}/added", "http")[0] == 200, f"{name}: the route of an updated ConfigMap")

        routes[0]["backend"] = "not a URL"
        pod.mount({"vestibule.yaml": yaml.safe_dump(config)}, SECRETS)
        pod.until(lambda: pod.metric("vestibule_config_last_reload_successful") == 0, f"{name}: a wrong ConfigMap is told")
        check(pod.get(f"{resource}/added", "http")[0] == 200, f"{name}: a wrong ConfigMap changed something")
        check(pod.get("/readyz")[0] == 200, f"{name}: a wrong ConfigMap makes it unready")

        routes[0]["backend"] = "http://another:3000/mcp"
        pod.mount({"vestibule.yaml": yaml.safe_dump(config)}, SECRETS)
        pod.until(lambda: pod.metric("vestibule_config_last_reload_successful") == 1, f"{name}: a right ConfigMap mends it")

        before = json.loads(pod.get("/config")[1])
        pod.mount({"vestibule.yaml": yaml.safe_dump(config)}, {**SECRETS, "client-secret": "another secret of the application"})
        pod.until(lambda: json.loads(pod.get("/config")[1]) != before, f"{name}: an updated Secret")

        process.send_signal(signal.SIGTERM)
        check(process.wait(timeout=pod.grace) == 0, f"{name}: it did not end with 0")
    finally:
        process.kill()


def main():
    vestibule = str(Path(sys.argv[1]).resolve())
    folders = sorted((ROOT / "deploy/kubernetes/overlays").iterdir()) + [ROOT / "examples/kubernetes"]
    check(len(folders) >= 3, "the overlays were not found")
    used = set()
    for folder in folders:
        name = str(folder.relative_to(ROOT))
        documents = render(folder)
        used |= {document["kind"] for document in documents}
        validate(documents, name)
        for deployment in of_kind(documents, "Deployment") + of_kind(documents, "StatefulSet"):
            found = sorted(set(violations(deployment)))
            check(not found, f"{name}: {deployment['metadata']['name']}: {', '.join(found)}")
            rules_can_fail(deployment)
        fits_together(documents, name)
        with tempfile.TemporaryDirectory() as scratch:
            pod = Pod(vestibule, documents, Path(scratch))
            store = pod.start_store(documents)
            try:
                try_configuration(pod, name)
                play(pod, name)
            finally:
                if store:
                    store.kill()
        print(f"{name}: {len(documents)} resources rendered, valid in Kubernetes {', '.join(VERSIONS)}; its pod's command run, ConfigMap and Secret updated")
    # Components that no overlay takes, on top of one that has what they refer to.
    for component in sorted((ROOT / "deploy/kubernetes/components").iterdir()):
        if component.name == "sidecar":
            continue
        with tempfile.TemporaryDirectory(dir=ROOT / "deploy/kubernetes") as scratch:
            Path(scratch, "kustomization.yaml").write_text(f"resources: [../overlays/single]\ncomponents: [../components/{component.name}]\n")
            documents = render(scratch)
        used |= {document["kind"] for document in documents}
        validate(documents, component.name)
        fits_together(documents, component.name)
        print(f"components/{component.name}: rendered and valid")
    for kind in OTHER_KINDS:
        check(kind in used, f"nothing of the kind {kind} was seen")
    print(f"{checks} checks passed; nothing was applied to a cluster")


main()
