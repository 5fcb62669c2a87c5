"""What a cluster measures, shows and scales by: made of what the service tells."""

import re
import shutil

import yaml

from tests.deploy.manifests import FOLDER, built, kustomized, overlays
from tests.deploy.metrics import selections
from tests.deploy.operator_rules import COPY, operator_rules
from tests.house.source import ROOT


@overlays
def test_a_metric_that_scales_exists(overlay, scrape):
    """The autoscaler asks for a metric that the adapter makes of what the service measures."""
    metrics = built(overlay)["HorizontalPodAutoscaler", "reward-service"]["spec"]["metrics"]
    asked = {one["pods"]["metric"]["name"] for one in metrics if one["type"] == "Pods"}
    rules = yaml.safe_load((FOLDER / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
    made = {rule["name"]["as"]: rule for rule in rules}
    assert asked == set(made)
    for rule in made.values():
        [selected] = selections(rule["seriesQuery"])
        query = rule["metricsQuery"].replace("<<.Series>>", selected.series)
        query = query.replace("<<.LabelMatchers>>,", "").replace("<<.GroupBy>>", "pod")
        own = {f"{selected.series}{{namespace}}", f"{selected.series}{{pod}}", "by (pod)"}
        assert set(scrape.unknown(rule["seriesQuery"])) | set(scrape.unknown(query)) == own


@overlays
def test_prometheus_scrapes_a_port_that_there_is(overlay):
    """The monitor selects the service, and asks a port of it by name."""
    objects = built(overlay)
    monitor = objects["ServiceMonitor", "reward-service"]["spec"]
    service = objects["Service", "reward-service"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    ports = {port["name"] for port in service["spec"]["ports"]}
    assert {(one["port"] in ports, one["path"]) for one in monitor["endpoints"]} == {
        (True, "/metrics")
    }


@overlays
def test_the_cluster_gets_the_rules_and_the_dashboards(overlay):
    """Alerts and panels are those of one machine, under the label that Grafana's sidecar wants."""
    objects = built(overlay)
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())
    assert objects["PrometheusRule", "reward-service"]["spec"] == rules
    shown = objects["ConfigMap", "reward-service-dashboards"]
    assert shown["metadata"]["labels"]["grafana_dashboard"] == "1"
    files = (ROOT / "deploy/grafana/dashboards").glob("*.json")
    assert shown["data"] == {file.name: file.read_text(encoding="utf-8") for file in files}


def test_the_rules_of_the_operator_are_written_from_ours():
    """`make readme` was run after the last change of a rule."""
    assert COPY.read_text(encoding="utf-8") == operator_rules()


@overlays
def test_without_the_operator_nothing_of_it_is_wanted(overlay, tmp_path):
    """One line has to go in a cluster that knows no ServiceMonitor."""
    shutil.copytree(ROOT / "deploy", tmp_path, dirs_exist_ok=True)
    path = tmp_path / "kubernetes/overlays" / overlay / "kustomization.yaml"
    text = path.read_text()
    line = "components: [../../components/monitoring]\n"
    assert line in text
    path.write_text(text.replace(line, ""))
    assert built(overlay).keys() - kustomized(path.parent).keys() == {
        ("ServiceMonitor", "reward-service"),
        ("PrometheusRule", "reward-service"),
        ("ConfigMap", "reward-service-dashboards"),
    }


def test_whoever_comes_in_is_told_how():
    """The guide sets every label that the network policy asks of a namespace."""
    guide = (ROOT / "deploy/README.md").read_text(encoding="utf-8")
    policy = built("cpu")["NetworkPolicy", "reward-service"]["spec"]
    for rule in policy["ingress"]:
        for source in rule["from"]:
            [(label, value)] = source["namespaceSelector"]["matchLabels"].items()
            assert re.search(rf"kubectl label namespace [A-Z]+ {label}={value}\n", guide)
