from __future__ import annotations

import pytest

from platen.components.train.measure.settings import MeasureSettings
from platen.components.train.optimization.schedule import learning_rate
from platen.components.train.optimization.settings import OptimizerSettings
from platen.components.train.settings import TrainSettings
from platen.core.errors import SettingsError
from platen.core.settings import build
from platen.jobs.settings import JobSettings


def test_a_batch_that_does_not_divide_is_refused_with_its_numbers() -> None:
    with pytest.raises(SettingsError, match=r"global_batch 30 is not divisible by ranks 2 x micro_batch 8"):
        build(TrainSettings, {"global_batch": 30}, "run.yaml", "train")


def test_precision_names_what_is_accepted() -> None:
    with pytest.raises(SettingsError, match=r"run\.yaml: train\.precision: 'fp8'.*Accepted: fp32, bf16, or fp16"):
        build(TrainSettings, {"precision": "fp8"}, "run.yaml", "train")


def test_pods_that_do_not_hold_the_ranks_are_refused_with_their_numbers() -> None:
    with pytest.raises(SettingsError, match=r"ranks 2 is not job\.nodes 3 x job\.processes_per_node 1"):
        build(TrainSettings, {"job": {"nodes": 3}}, "run.yaml", "train")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"zero": {"stage": 2, "offload_parameters": "cpu"}}, "offload_parameters cpu needs stage 3, not 2"),
        ({"zero": {"stage": 1, "secondary_partition": 2}}, "secondary_partition 2 needs stage 3, not 1"),
        ({"zero": {"stage": 2, "quantized_gradients": True}}, "quantized_gradients needs stage 3, not 2"),
        ({"zero": {"stage": 2, "offload_optimizer": "nvme"}}, "offload_optimizer nvme needs stage 3, not 2"),
        ({"zero": {"stage": 0, "offload_optimizer": "cpu"}}, "offload_optimizer cpu needs stage 1 or above"),
        ({"zero": {"offload_optimizer": "nvme"}}, "nvme_path is not set; accepted: a folder on a local NVMe disk"),
        ({"zero": {"secondary_partition": 3}}, r"ranks 2 is not divisible by zero\.secondary_partition 3"),
        ({"zero": {"stage": 0}, "precision": "fp16"}, r"precision fp16 needs zero\.stage 1, 2 or 3, not 0"),
        ({"compile": True}, r"compile needs zero\.stage 0, 1 or 2, not 3"),
    ],
)
def test_what_a_stage_of_zero_does_not_have_is_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        build(TrainSettings, given, "run.yaml", "train")


def test_the_job_is_not_part_of_the_models_identity() -> None:
    assert TrainSettings(job=JobSettings()).model_dump(mode="json") == TrainSettings().model_dump(mode="json")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"memory": "4 gigabytes"}, r"train\.job\.memory: .*'4 gigabytes' is no quantity"),
        ({"gpu": "the fast one"}, r"train\.job\.gpu: .*no resource name"),
        ({"secret_env": {"TOKEN": "s3cret"}}, r"train\.job\.secret_env.*SECRET/KEY"),
        ({"volumes": {"data": "mnt"}}, r"train\.job\.volumes.*not an absolute path"),
        ({"node": 2}, r"train\.job\.node: unknown setting. Accepted: nodes"),
    ],
)
def test_a_fault_of_the_job_names_its_field(given: dict[str, object], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        build(TrainSettings, {"job": given}, "run.yaml", "train")


def test_pods_serve_metrics_unless_they_are_told_not_to() -> None:
    ports = {None: (None, 9464), 0: (None, None), 8000: (8000, 8000)}
    for port, (here, in_pods) in ports.items():
        measure = MeasureSettings(port=port)
        assert TrainSettings(measure=measure).metrics_port == here
        assert TrainSettings(measure=measure, job=JobSettings()).metrics_port == in_pods


def test_what_is_measured_is_not_part_of_the_models_identity() -> None:
    measured = TrainSettings(measure=MeasureSettings(tensorboard=False, usd_per_gpu_hour=3.0))
    assert measured.model_dump(mode="json") == TrainSettings().model_dump(mode="json")


def test_the_learning_rate_rises_and_falls() -> None:
    chosen = TrainSettings(steps=100, optimizer=OptimizerSettings(warmup_steps=10, learning_rate=1.0))
    rates = [learning_rate(chosen, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.01


def test_a_constant_schedule_stays() -> None:
    chosen = TrainSettings(optimizer=OptimizerSettings(schedule="constant", warmup_steps=0, learning_rate=0.5))
    assert {learning_rate(chosen, step) for step in range(0, 10_000, 1000)} == {0.5}
