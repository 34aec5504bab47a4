"""Numbers of settings: what float32, in which training computes, cannot hold is refused."""

import pytest

from dgm_tf.errors import UserError
from dgm_tf.training.augmentation import Augmentation
from dgm_tf.training.gan import GANSettings


@pytest.mark.parametrize(
    "name, value, interval",
    [
        ("generator_learning_rate", 1e39, r"\(0, inf\)"),  # infinite
        ("discriminator_learning_rate", 1e-60, r"\(0, inf\)"),  # 0
        ("beta_1", 0.99999999999, r"\[0, 1\)"),  # 1
        ("gradient_penalty_weight", 1e300, r"\[0, inf\)"),
        pytest.param("gradient_penalty_weight", 10**400, r"\[0, inf\)", id="more than a Python float holds"),
    ],
)
def test_a_number_is_one_in_float32_too(name, value, interval):
    with pytest.raises(UserError, match=f"GANSettings.{name}: expected a number that float32 holds in {interval}, got"):
        GANSettings(**{name: value})


def test_so_are_pairs_of_them():
    with pytest.raises(UserError, match=r"Augmentation.contrast: expected \(low, high\), two numbers in \[0, inf\)"):
        Augmentation(contrast=(1.0, 1e39))


def test_what_is_near_the_ends_is_taken():
    settings = GANSettings(generator_learning_rate=1e38, gradient_penalty_weight=0.0, beta_2=0.9999999)
    assert settings.generator_learning_rate == 1e38
