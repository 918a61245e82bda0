"""Real steps in short-lived processes."""

import pytest

from holdfast.launch.trial_steps import measure
from holdfast.model.config import config_to_dict
from holdfast.model.sizes import size_config
from holdfast.stages.processes import Question

CONFIG = size_config("tiny", 259, 32, hidden_size=16, num_layers=1, num_heads=2, num_kv_heads=1, intermediate_size=32)


@pytest.mark.slow
def test_every_way_that_works_has_a_speed() -> None:
    question = Question(config_to_dict(CONFIG), {"optimizer": {"kind": "muon"}}, "fp32", 4, 2, True, [1, 2])
    speeds = measure(question)
    assert sorted(speeds) == [1, 2]
    assert all(speed > 0 for speed in speeds.values())


@pytest.mark.slow
def test_a_way_that_fails_has_none() -> None:
    assert measure(Question({"family": "none"}, {}, "fp32", 4, 2, True, [1])) == {}
