"""A method's hooks into the generator's update: what they are where a method says nothing."""

from dgm_tf.training.generator_rules import GeneratorRules


def test_plain_rules_change_nothing():
    rules = GeneratorRules(None, 2)
    assert rules.schedule_at(0, 0, 1, 1) == {} and rules.penalty({}, None) == 0.0
    assert rules.transform_gradients([1.0], ["v"], {}) == [1.0]
