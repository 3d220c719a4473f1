"""What a scrape says of the server."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from platen.components.serve.metrics import Metrics


def scrape(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """{(name, label values): value}, as Prometheus' own parser reads it."""
    families = text_string_to_metric_families(metrics.text().decode())
    return {(each.name, tuple(each.labels.values())): each.value for family in families for each in family.samples}


def test_every_answer_is_counted_and_only_a_success_has_a_latency() -> None:
    metrics = Metrics("platen", "0" * 64)
    for status in (200, 200, 503):
        metrics.answered(status, 0.3)
    found = scrape(metrics)
    assert (found["platen_requests_total", ("200",)], found["platen_requests_total", ("503",)]) == (2, 1)
    assert found["platen_request_duration_seconds_count", ()] == 2
    assert found["platen_request_duration_seconds_bucket", ("0.25",)] == 0
    assert found["platen_request_duration_seconds_bucket", ("0.5",)] == 2


def test_the_queue_and_readiness_are_looked_at_when_they_are_asked_for() -> None:
    metrics, queue = Metrics("platen", "0" * 64), [1, 2, 3]
    assert scrape(metrics)["platen_ready", ()] == 0
    metrics.watch_queue(lambda: len(queue), lambda: 2.5)
    metrics.watch_ready(lambda: bool(queue))
    found = scrape(metrics)
    assert [found[f"platen_{name}", ()] for name in ("queued_pictures", "queue_oldest_wait_seconds", "ready")] == [
        3,
        2.5,
        1,
    ]
    queue.clear()
    found = scrape(metrics)
    assert (found["platen_queued_pictures", ()], found["platen_ready", ()]) == (0, 0)


def test_a_server_without_a_model_names_none() -> None:
    assert not [name for name, _ in scrape(Metrics("platen", None)) if name == "platen_model_info"]
    assert scrape(Metrics("m", "ab"))["platen_model_info", ("ab", "m")] == 1


def test_two_servers_of_one_process_count_for_themselves() -> None:
    one, other = Metrics("platen", None), Metrics("platen", None)
    one.answered(200, 1.0)
    assert ("platen_requests_total", ("200",)) not in scrape(other)
