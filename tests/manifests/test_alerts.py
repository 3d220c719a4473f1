from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.manifests.kustomize import MANIFESTS, ROOT, Object

HERE = Path(__file__).parent


@pytest.fixture
def promtool() -> str:
    return shutil.which("promtool") or pytest.skip("no promtool: it is in Debian's package prometheus")


def groups() -> list[Object]:
    """The groups of rules in the PrometheusRule."""
    rule = yaml.safe_load((MANIFESTS / "components/prometheus/alerts.yaml").read_text())
    found: list[Object] = rule["spec"]["groups"]
    return found


def alerts() -> list[Object]:
    """All alerts."""
    return [rule for group in groups() for rule in group["rules"]]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The rules as Prometheus reads them, in a file."""
    path = tmp_path / "alerts.yaml"
    path.write_text(yaml.safe_dump({"groups": groups()}))
    return path


def test_prometheus_takes_the_rules(promtool: str, rules: Path) -> None:
    done = subprocess.run([promtool, "check", "rules", rules], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{len(alerts())} rules found" in done.stdout


def test_alerts_fire_when_they_should_and_only_then(promtool: str, rules: Path) -> None:
    tests = shutil.copy(HERE / "alerts.test.yaml", rules.parent)
    done = subprocess.run([promtool, "test", "rules", tests], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_both_ways() -> None:
    tests = yaml.safe_load((HERE / "alerts.test.yaml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    fires = {case["alertname"] for case in cases if case["exp_alerts"]}
    stays_quiet = {case["alertname"] for case in cases if not case["exp_alerts"]}
    assert fires == stays_quiet == {alert["alert"] for alert in alerts()}


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/runbooks.md").read_text(), re.M)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    for alert in alerts():
        assert alert["labels"]["severity"] in ("warning", "critical")
        assert alert["annotations"]["summary"]
        page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        assert page == "docs/runbooks.md"
        assert anchor == alert["alert"].lower()
        assert anchor in anchors
    assert {alert["alert"] for alert in alerts()} == set(headings), "a section whose alert is gone"
