"""Prometheus reads the service, and its alerts fire on what they are for."""

import json
import re
import subprocess
import time
from contextlib import contextmanager, suppress
from http import HTTPStatus

import pytest
import urllib3
import yaml

from tests.deploy.metrics import selections
from tests.e2e.running import running
from tests.house.source import ROOT
from tests.redis_server import free_port
from tests.tools import needs, tool

FOLDER = ROOT / "deploy/prometheus"
PROMETHEUS, PROMTOOL = tool("prometheus"), tool("promtool")
needs_prometheus = needs("prometheus", "promtool")

RULES = [
    rule for group in yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]
    for rule in group["rules"]
]  # fmt: skip
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
PARAGRAPH = re.compile(r"^### (\w+)\n\n(`\w+`\. .+?)(?=\n\n#|\Z)", re.MULTILINE | re.DOTALL)
LABEL = re.compile(r"\$labels\.(\w+)")
ANSWERS_WITHIN_S = 60
ITEM = {"kind": "ocr", "response": "the cat", "ground_truth": "the cat"}


def test_a_rule_finds_what_it_asks_for(scrape):
    """No rule stays silent because a metric, a label or a value of one was renamed."""
    asked = [rule["expr"] for rule in RULES]
    assert any(map(selections, asked))
    assert {query: unknown for query in asked if (unknown := scrape.unknown(query))} == {}


def test_what_is_recorded_has_the_labels_of_its_name(scrape):
    """Before the first colon of a name stand the labels that are left."""
    for rule in RULES:
        if "record" in rule:
            assert scrape.answered(rule["expr"]) - {"le"} == scrape.labels(rule["record"])


def test_an_alert_tells_labels_that_are_found(scrape):
    """No summary has a hole where a label should be."""
    for alert in ALERTS:
        named = set(LABEL.findall(alert["annotations"]["summary"]))
        assert named <= scrape.answered(alert["expr"]), alert["alert"]


def test_an_alert_reads_what_is_recorded():
    """What an alert compares is recorded under the very same name."""
    wanted = {word for rule in RULES for word in rule["expr"].split() if word.startswith("job")}
    assert {word.strip("()") for word in wanted if ":" in word} <= RECORDED


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_what_to_do(alert):
    """Every alert waits a while, has a severity, a summary and an action, and is tried."""
    assert alert["for"]
    assert alert["labels"]["severity"] in {"page", "warn"}
    assert set(alert["annotations"]) == {"summary", "action"}
    tried = yaml.safe_load((ROOT / "tests/deploy/rules.yml").read_text())["tests"]
    fired = [one for test in tried for one in test.get("alert_rule_test", ()) if one["exp_alerts"]]
    assert alert["alert"] in {one["alertname"] for one in fired}


def test_an_alert_has_its_paragraph():
    """Whoever is woken finds what an alert means and what to do, under its name and severity."""
    text = (ROOT / "deploy/alerts.md").read_text(encoding="utf-8")
    sections = dict(
        re.findall(r"^### (\w+)\n\n(`\w+`\. .+?)(?=\n\n#|\Z)", text, re.MULTILINE | re.DOTALL)
    )
    assert sorted(sections) == sorted(alert["alert"] for alert in ALERTS)
    for alert in ALERTS:
        section = sections[alert["alert"]]
        assert section.startswith(f"`{alert['labels']['severity']}`. ")
        assert len(section.split()) > 30


@needs_prometheus
def test_prometheus_accepts_the_configuration():
    """Promtool finds the configuration and its rules valid."""
    checked = subprocess.run(
        [PROMTOOL, "check", "config", FOLDER / "prometheus.yml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr


@needs_prometheus
def test_alerts_fire_on_what_they_are_for(tmp_path):
    """On made-up series each alert fires where it should and stays silent where it should not."""
    text = (ROOT / "tests/deploy/rules.yml").read_text().replace("RULES", f"{FOLDER}/rules.yml")
    (tmp_path / "rules.yml").write_text(text)
    tested = subprocess.run(
        [PROMTOOL, "test", "rules", tmp_path / "rules.yml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout


@needs_prometheus
@pytest.mark.slow
def test_prometheus_counts_what_was_scored(tmp_path):
    """A real Prometheus scrapes a real service and knows how many items it scored."""
    with running("--store", "memory:") as service:
        body = json.dumps({"items": [ITEM] * 7})
        assert urllib3.request("POST", f"{service.url}/reward", body=body).status == 200
        config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
        config["scrape_configs"][0]["static_configs"][0]["targets"] = [
            service.url[len("http://") :]
        ]
        config["scrape_configs"][0]["scrape_interval"] = "1s"
        config["rule_files"] = [str(FOLDER / "rules.yml")]
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
        with scraping(tmp_path) as port:
            assert wait_for(port, 'reward_items_total{kind="ocr",outcome="scored"}') == "7"


@contextmanager
def scraping(folder):
    """A Prometheus with the configuration and the data of `folder`; gives its port."""
    port = free_port()
    options = [
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with subprocess.Popen([PROMETHEUS, *options], stderr=subprocess.DEVNULL) as process:
        try:
            yield port
        finally:
            process.terminate()


def wait_for(port, query):
    """The value of the first series that `query` finds, once there is one."""
    end = time.monotonic() + ANSWERS_WITHIN_S
    while time.monotonic() < end:
        with suppress(urllib3.exceptions.HTTPError):
            url = f"http://127.0.0.1:{port}/api/v1/query"
            answer = urllib3.request("GET", url, fields={"query": query}, retries=False)
            if answer.status == HTTPStatus.OK and (found := answer.json()["data"]["result"]):
                return found[0]["value"][1]
        time.sleep(0.5)
    raise TimeoutError(f"Prometheus knew nothing of {query} within {ANSWERS_WITHIN_S} s")
