"""The chart is what Kubernetes takes, gives no pod more than it needs, and refuses values that mean nothing."""

import copy
from typing import Any

import helm_python
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from gateway.__main__ import main
from gateway.config import GatewayConfig
from gateway.parent import stop_seconds
from tenants.api.edge import _SECONDS as LONGEST
from tenants.config import TenantsConfig
from tenants.settings import PREFIX
from tests.deploy.conftest import FILES, manifests, pods, read_values, render
from tests.deploy.schema import CHART, OWNED, PROCESSES, as_text, settings_by_way

VERSIONS = ("1.30", kubernetes_validate.latest_version())
FOREIGN = {"ServiceMonitor", "PrometheusRule", "TLSRoute"}
"""Kinds of others, for which Kubernetes has no schema."""
ADDRESSES = {"Service", "Ingress", "TLSRoute"}


def test_the_schema_is_that_of_the_configuration_classes():
    assert (CHART / "values.schema.json").read_text(encoding="utf-8") == as_text(), "Run `make chart`."


@pytest.mark.parametrize("process", PROCESSES)
def test_every_setting_can_be_reached_by_values(process):
    reached = {name for way in settings_by_way(process).values() for name in way}
    fields = {name for name in PROCESSES[process].model_fields if name not in OWNED}
    assert {name.lower().removesuffix("_file") for name in reached} == {name.removesuffix("_file") for name in fields}


@pytest.mark.parametrize("name", FILES)
def test_helm_finds_nothing_to_remark(name):
    report = helm_python.lint(str(CHART), read_values(name), strict=True, kube_version="v1.33.0")
    assert report["errors"] == []
    assert [one for one in report["messages"] if one["severity"] > 1] == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", FILES)
def test_every_manifest_is_one_that_kubernetes_knows(rendered, name, version):
    for manifest in manifests(rendered(name)):
        if manifest["kind"] not in FOREIGN:
            kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("name", FILES)
def test_a_template_makes_one_resource_and_no_two_are_called_the_same(rendered, name):
    templates = rendered(name)
    assert {path: len(made) for path, made in templates.items() if len(made) > 1} == {}
    names = [(one["kind"], one["metadata"]["name"]) for one in manifests(templates)]
    assert len(names) == len(set(names))
    assert all(len(one) <= 63 for _, one in names)


@pytest.mark.parametrize("name", FILES)
def test_a_pod_has_no_power_and_no_way_to_get_any(rendered, name):
    found = pods(rendered(name))
    assert set(found) == {"gateway", "tenants", "sealer", "migrate"}
    for pod in found.values():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "initContainers"} & spec.keys()
        inside = spec["securityContext"]
        assert inside["runAsNonRoot"] is True
        assert inside["runAsUser"] >= 10_000
        assert inside["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "privileged": False, "readOnlyRootFilesystem": True,
            "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
        }  # fmt: skip
        assert "memory" in container["resources"]["limits"]
        assert not any("hostPath" in volume for volume in spec["volumes"])
        writable = {mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
        assert writable <= {"tmp", "checkpoint-directory"}
        assert next(volume for volume in spec["volumes"] if volume["name"] == "tmp")["emptyDir"]["medium"] == "Memory"


@pytest.mark.parametrize("name", FILES)
def test_no_secret_stands_in_a_manifest_and_none_in_the_environment(rendered, name):
    templates = rendered(name)
    assert manifests(templates, "Secret") == []
    for pod in pods(templates).values():
        (container,) = pod["spec"]["containers"]
        assert "envFrom" not in container
        sources = [source for one in container["env"] for source in one.get("valueFrom", {})]
        assert set(sources) <= {"fieldRef"}
        given = {one["name"] for one in container["env"]}
        assert not {PREFIX + url for url in ("DATABASE_URL", "INZAGE_URL", "SMTP_URL")} & given


@pytest.mark.parametrize("name", FILES)
def test_a_process_gets_settings_that_it_knows_and_reads(rendered, name, tmp_path):
    for process, pod in pods(rendered(name)).items():
        (container,) = pod["spec"]["containers"]
        assert container["args"] == [process]
        assert process in main.commands
        mounted = [mount["mountPath"] for mount in container["volumeMounts"]]
        environ = {one["name"]: one.get("value", "kp-gateway-0") for one in container["env"]}
        for setting, value in environ.items():
            if value.startswith("/"):
                assert any(value.startswith(f"{path}/") or value == path for path in mounted), setting
            if setting.endswith("_URL_FILE"):
                (tmp_path / "url").write_text("smtps://mail.example.org" if "SMTP" in setting else "postgresql://x/y")
                environ[setting] = str(tmp_path / "url")
        if process in PROCESSES:
            settings = PROCESSES[process].read(environ)
            grace = pod["spec"]["terminationGracePeriodSeconds"]
            pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            # Kubernetes is the last to lose patience: after the parent of a gateway's workers, after the admin API's server.
            patience = (
                stop_seconds(settings) if isinstance(settings, GatewayConfig) else getattr(settings, "drain_seconds", 5)
            )
            assert grace - pause > patience
            if isinstance(settings, TenantsConfig):
                assert settings.drain_seconds >= LONGEST


def test_values_arrive_as_they_were_meant(rendered):
    (container,) = pods(rendered("productie"))["gateway"]["spec"]["containers"]
    environ = {one["name"]: one.get("value") for one in container["env"]}
    assert environ["KOPPELPUNT_ANSWER_MEMORY_PER_TENANT"] == "33554432"
    assert environ["KOPPELPUNT_TRUSTED_PROXIES"] == "10.1.0.0/16,10.2.0.0/16"
    assert environ["KOPPELPUNT_BIND"] == "[::]:8443"
    assert container["image"] == f"registry.example.org/koppelpunt@sha256:{'0123456789abcdef' * 4}"
    (proef,) = pods(rendered("proef"))["gateway"]["spec"]["containers"]
    assert {one["name"]: one.get("value") for one in proef["env"]}["KOPPELPUNT_OPEN_TIMEOUT"] == "1.5"


@pytest.mark.parametrize("name", FILES)
def test_what_selects_pods_selects_those_of_one_process(rendered, name):
    templates = rendered(name)
    labels = {process: pod["metadata"]["labels"] for process, pod in pods(templates).items()}
    for manifest in manifests(templates):
        spec = manifest.get("spec") or {}
        selector = spec.get("podSelector") or spec.get("selector")
        if selector is None or manifest["kind"] == "ServiceMonitor":
            continue
        wanted = selector.get("matchLabels", selector)
        fitting = [process for process, has in labels.items() if wanted.items() <= has.items()]
        assert fitting == [manifest["metadata"]["labels"]["app.kubernetes.io/component"]], manifest["metadata"]


def test_ports_are_named_where_they_are_used(rendered):
    templates = rendered("productie")
    for service in manifests(templates, "Service"):
        component = service["metadata"]["labels"]["app.kubernetes.io/component"]
        (container,) = pods(templates)[component]["spec"]["containers"]
        names = {port["name"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names
    services = {one["metadata"]["name"] for one in manifests(templates, "Service")}
    (monitor,) = manifests(templates, "ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    scraped = [one for one in manifests(templates, "Service") if wanted <= one["metadata"]["labels"].items()]
    assert {one["metadata"]["name"] for one in scraped} == {f"kp-{process}-metrics" for process in PROCESSES}
    assert {f"kp-{process}" for process in ("gateway", "tenants")} <= services


@pytest.mark.parametrize("name", FILES)
def test_every_process_has_a_network_policy_that_names_both_directions(rendered, name):
    templates = rendered(name)
    policies = {
        one["metadata"]["labels"]["app.kubernetes.io/component"]: one["spec"]
        for one in manifests(templates, "NetworkPolicy")
    }
    assert policies.keys() == pods(templates).keys()
    for spec in policies.values():
        assert sorted(spec["policyTypes"]) == ["Egress", "Ingress"]
        # A rule without peers or without ports would be open to all.
        for rule, peers in [(r, "to") for r in spec["egress"]] + [(r, "from") for r in spec["ingress"] or ()]:
            assert rule[peers]
            assert rule["ports"]
            assert all("port" in port for port in rule["ports"])
    assert policies["migrate"]["ingress"] == []


def test_only_the_gateway_reaches_rvig_and_only_the_sealer_the_mail_server(rendered):
    policies = {
        one["metadata"]["labels"]["app.kubernetes.io/component"]: str(one["spec"]["egress"])
        for one in manifests(rendered("productie"), "NetworkPolicy")
    }
    assert {process for process, egress in policies.items() if "192.0.2.0/28" in egress} == {"gateway"}
    assert {process for process, egress in policies.items() if "10.9.0.25/32" in egress} == {"sealer"}
    assert {process for process, egress in policies.items() if "10.0.0.6/32" in egress} == set(policies)


def test_the_resolver_of_diginetwerk_is_asked_over_udp_and_tcp_by_the_gateway_alone(rendered):
    found = {}
    for one in manifests(rendered("productie"), "NetworkPolicy"):
        for rule in one["spec"]["egress"]:
            if rule["to"] == [{"ipBlock": {"cidr": "10.0.0.53/32"}}]:
                found[one["metadata"]["name"]] = [(port["protocol"], port["port"]) for port in rule["ports"]]
    assert found == {"kp-gateway": [("UDP", 53), ("TCP", 53)]}


def test_what_is_not_the_resolver_is_asked_over_tcp_alone(rendered):
    for name in FILES:
        for one in manifests(rendered(name), "NetworkPolicy"):
            udp = [r["ports"] for r in one["spec"]["egress"] if any(port["protocol"] == "UDP" for port in r["ports"])]
            assert all(port["port"] == 53 for ports in udp for port in ports)


def test_the_migration_gets_one_key_of_its_secret(rendered):
    (volume,) = (v for v in pods(rendered("minimal"))["migrate"]["spec"]["volumes"] if v["name"] == "secret")
    assert [item["key"] for item in volume["secret"]["items"]] == ["database-url"]


def test_a_purpose_is_offered_only_to_a_process_that_goes_there():
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    offered = {process: set(values[process]["networkPolicy"]["egress"]) for process in PROCESSES}
    assert offered == {
        "gateway": {"rvig", "idps", "resolver"},
        "tenants": {"idps", "logboek"},
        "sealer": {"checkpoints", "mail", "revocation", "timestamps", "webhooks"},
    }


def test_the_schema_of_the_database_is_widened_before_any_pod_is_made(rendered):
    hooks = {
        one["kind"]: int(one["metadata"]["annotations"]["helm.sh/hook-weight"])
        for one in manifests(rendered("minimal"))
        if one["metadata"].get("annotations", {}).get("helm.sh/hook") == "pre-install,pre-upgrade"
    }
    assert hooks.keys() == {"Job", "NetworkPolicy", "ServiceAccount"}
    assert hooks["Job"] > max(hooks["NetworkPolicy"], hooks["ServiceAccount"])


def test_a_pod_that_ends_by_itself_comes_back_and_never_leaves_too_few(rendered):
    templates = rendered("productie")
    for deployment in manifests(templates, "Deployment"):
        assert deployment["spec"]["template"]["spec"]["restartPolicy"] == "Always"
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    (scaler,) = manifests(templates, "HorizontalPodAutoscaler")
    (gateway,) = (one for one in manifests(templates, "Deployment") if one["metadata"]["name"] == "kp-gateway")
    assert scaler["spec"]["scaleTargetRef"]["name"] == "kp-gateway"
    assert "replicas" not in gateway["spec"]


def test_tls_is_never_ended_before_the_process(rendered):
    for name in FILES:
        for ingress in manifests(rendered(name), "Ingress"):
            assert ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/ssl-passthrough"] == "true"
            assert "tls" not in ingress["spec"]
    (route,) = manifests(rendered("productie"), "TLSRoute")
    assert route["spec"]["hostnames"] == ["koppelpunt.example.org"]


def changed(path: str, value: Any) -> dict[str, Any]:
    values = copy.deepcopy(read_values("minimal"))
    *above, last = path.split(".")
    place = values
    for part in above:
        place = place.setdefault(part, {})
    place[last] = value
    return values


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("gatewayy", {}),
        ("gateway.config.LOPP", "uvloop"),
        ("gateway.config.LOOP", "twisted"),
        ("gateway.config.DURABILITY", "none"),
        ("gateway.config.DATABASE_URL", "postgresql://u:geheim@h/d"),
        ("gateway.config.BIND", "0.0.0.0:1"),
        ("gateway.config.PERMISSION_SECONDS", 3),
        ("gateway.config.IDENTITY_KEYRING_FILE", "/x"),
        ("gateway.secretFiles.LOOP", "loop"),
        ("gateway.existingSecret", ""),
        ("gateway.tls.existingSecret", ""),
        ("gateway.exposure.kind", "nodeport"),
        ("gateway.exposure", {"kind": "ingress"}),
        ("gateway.exposure", {"kind": "tlsroute", "hosts": ["a.example.org"]}),
        ("gateway.replicas", 0),
        ("sealer.port", 8443),
        ("sealer.config.SMTP_URL", "smtps://u:geheim@mail"),
        ("tenants.config.CALLS_AT_ONCE", 1),
        ("image.digest", "latest"),
        ("monitoring.rules.enabled", "ja"),
        ("networkPolicy.postgresql.to", []),
        ("gateway.configFiles.CATALOGUE_FILE", "catalogue.toml"),
        ("gateway.metricsPort", 8443),
        ("tenants.port", 9091),
        ("gateway.autoscaling", {"enabled": True, "minReplicas": 6, "maxReplicas": 2, "cpuPercent": 60}),
        ("gateway.preStopSeconds", 100_000),
        ("gateway.networkPolicy.egress.resolver", {"to": [], "ports": [53], "protocols": ["SCTP"]}),
        ("sealer.drainSeconds", 5),
        ("image.tag", "1.0 beta"),
        ("image.repository", "registry.example.org/koppelpunt@sha256:0"),
        ("labels", {"app.kubernetes.io/component": "gateway"}),
    ],
)
def test_values_that_mean_nothing_are_refused(path, value):
    with pytest.raises(helm_python.HelmError) as caught:
        render(changed(path, value))
    assert "geheim" not in str(caught.value)


def test_without_network_policies_postgresql_needs_no_peers():
    values = {"networkPolicy": {"enabled": False}}
    assert manifests(render(values), "NetworkPolicy") == []
