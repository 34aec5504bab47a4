"""A memory whose classes cannot be told apart is warned about."""

import pytest

from dgm_tf.measures.chance import near_chance


@pytest.mark.parametrize(
    ("num_classes", "gan_test", "warned"),
    [(2, 0.445, True), (2, 0.62, True), (2, 0.63, False), (2, 0.9, False), (10, 0.1, True), (10, 0.5, False)],
)
def test_images_that_are_hardly_told_apart_are_warned_about(num_classes, gan_test, warned):
    assert (near_chance("task 1 (a, b)", num_classes, gan_test) is not None) == warned


def test_it_says_where_what_was_found_and_what_to_set():
    text = near_chance("task 1 (owl, heron)", 2, 0.445)
    assert text.startswith("task 1 (owl, heron): GAN-test is 44.5 %") and "50.0 %" in text and "\n" not in text
    for setting in ("GANSettings.auxiliary_loss", "ClassifierSettings.replay_schedule", "GANSettings.epochs"):
        assert setting in text


@pytest.mark.parametrize("arguments", [("task 1 (a)", 1, 0.0), ("task 1 (a, b)", 2, None)])
def test_one_class_and_no_measure_are_no_case_of_it(arguments):
    assert near_chance(*arguments) is None
