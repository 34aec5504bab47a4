"""What a phase says of itself before it is made of anything."""

import pytest

from dgm_tf.training.phase import Phase


def test_steps_are_epochs_times_batches():
    assert Phase(epochs=3, batches=5).num_steps == 15


def test_a_phase_that_says_nothing_has_nothing_to_keep_or_show():
    phase = Phase(1, 1)
    assert phase.variables() == [] and phase.schedule_at(0) == {} and not phase.trains_classifier


def test_what_a_step_does_is_up_to_the_subclass():
    with pytest.raises(NotImplementedError):
        Phase(1, 1).step(0)
