"""Expositions of several workers become one: each family once, each sample with its worker."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_open_metrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families

from gateway.worker_watching import merge


def made(count: int) -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("calls", "Calls", ["tenant"], registry=registry).labels("1").inc(count)
    Gauge("age", "Age", registry=registry).set(count)
    Histogram("step", 'Seconds with a "quote" and a {brace}', registry=registry).observe(0.1, {"trace_id": "abc"})
    return registry


def test_each_sample_gets_the_label_of_its_worker_and_each_family_stands_once() -> None:
    own = CollectorRegistry()
    Gauge("workers", "Workers", registry=own).set(2)
    text = merge(generate_latest(own), {"0": generate_latest(made(1)), "1": generate_latest(made(2))}).decode()
    families = {one.name: one for one in text_string_to_metric_families(text)}
    assert text.count("# TYPE calls_total counter") == 1
    assert {(one.labels["worker"], one.value) for one in families["age"].samples} == {("0", 1.0), ("1", 2.0)}
    assert {
        (one.labels["worker"], one.labels["tenant"], one.value)
        for one in families["calls"].samples
        if one.name == "calls_total"
    } == {("0", "1", 1.0), ("1", "1", 2.0)}
    assert [one.labels for one in families["workers"].samples] == [{}]


def test_open_metrics_keeps_its_exemplars_and_its_one_end() -> None:
    own = generate_open_metrics(CollectorRegistry())
    text = merge(own, {"0": generate_open_metrics(made(1)), "1": generate_open_metrics(made(2))}).decode()
    families = {one.name: one for one in parse_open_metrics(text)}
    assert text.count("# EOF") == 1
    exemplars = [sample.exemplar.labels for sample in families["step"].samples if sample.exemplar]
    assert exemplars == [{"trace_id": "abc"}] * 2
