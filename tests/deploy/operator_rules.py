"""The rules as the Prometheus operator wants them, for it does not read Prometheus' own files.

`python -m tests.deploy.operator_rules` writes them anew; `make readme` does so too.
"""

from textwrap import indent

from tests.house.source import ROOT

SOURCE = ROOT / "deploy/prometheus/rules.yml"
COPY = ROOT / "deploy/kubernetes/components/monitoring/rules.yaml"
HEAD = """\
# Written by `make readme` from deploy/prometheus/rules.yml, where rules are changed.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: reward-service
  labels:
    app.kubernetes.io/name: reward-service
spec:
"""


def operator_rules() -> str:
    """What `rules.yml` says, as an object of the operator's."""
    text = SOURCE.read_text(encoding="utf-8")
    return HEAD + indent(text[text.index("groups:") :], "  ")


if __name__ == "__main__":
    COPY.write_text(operator_rules(), encoding="utf-8")
