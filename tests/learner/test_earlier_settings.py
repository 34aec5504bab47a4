"""Settings of learners that version 0.1.0 saved, by their names of today."""

import dataclasses
import json
import pathlib
import re

import numpy as np
import pytest

import dgm_tf
from dgm_tf import serialization
from dgm_tf.errors import UserError
from dgm_tf.learner.state import FORMAT
from dgm_tf.methods.dgm import DGM
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.training.classifier import ClassifierSettings
from tests.methods import tiny

EARLIER = pathlib.Path(__file__).resolve().parents[1] / "earlier"
RESNET = EARLIER / "memory_format_2" / "icarl_resnet18"
SAVED = {
    "memory_format_1/weights": 50.0, "memory_format_1/units": 50.0, "run_0_1_0/finished/memory": 200.0,
    "run_0_1_0/unfinished/memory": 6000.0,
}  # fmt: skip


@pytest.mark.parametrize(("folder", "s_max"), SAVED.items())
def test_a_saved_s_max_is_that_of_the_loaded_method(folder, s_max):
    saved = json.loads((EARLIER / folder / "learner.json").read_text())["method"]["settings"]
    assert saved["max_mask_scale"] == s_max
    method = dgm_tf.load(EARLIER / folder).method
    assert method.max_mask_scale == s_max and method.gan.epochs == saved["gan"]["settings"]["epochs"]


def test_what_is_saved_has_the_names_of_today():
    saved = serialization.to_json(tiny.dgm())["settings"]
    assert saved["mask_scale_per_epoch"] == 25.0 and "max_mask_scale" not in saved


@pytest.mark.parametrize("folder", SAVED)
def test_a_saved_learner_goes_on_with_as_many_steps_an_epoch(folder):
    assert dgm_tf.load(EARLIER / folder).method.gan.min_batches_per_class is False


@pytest.mark.parametrize("gan", [{}, {"gan": {"new": "GANSettings", "settings": {}}}])
def test_without_epochs_those_of_the_default_count(gan):
    saved = {"new": "DGM", "settings": {"max_mask_scale": 500.0, **gan}}
    assert serialization.from_json(saved, DGM).max_mask_scale == 500.0


@pytest.mark.parametrize("s_max", ["steep", True, -1.0, None, [50.0], 10**400, float("inf")])
def test_what_no_learner_had_is_refused(s_max):
    with pytest.raises(UserError, match="DGM.mask_scale_per_epoch: expected"):
        serialization.from_json({"new": "DGM", "settings": {"max_mask_scale": s_max}}, DGM)


def test_other_classes_never_had_it():
    with pytest.raises(UserError, match="FineTuning has no setting 'max_mask_scale'"):
        serialization.from_json({"new": "FineTuning", "settings": {"max_mask_scale": 5.0}}, FineTuning)


OPEN = ClassifierSettings(None, closing_epochs=1)
STATED = {"auxiliary_loss": True, "gradient_penalty_share": 0.5, "min_batches_per_class": True}
OF_CLASSIFIER = {"replay_schedule": "constant", "own_optimizer": False, "generated_current": 0.25}


def _restored(saved, method):
    learner = dgm_tf.Learner(saved)
    learner.learn(tiny.task(0))
    return dgm_tf.Learner.from_state(learner.description(), learner.arrays(), method).method


def test_what_a_command_leaves_open_is_as_the_learner_was_saved():
    gan, classifier = dataclasses.replace(tiny.GAN, **STATED), dataclasses.replace(OPEN, **OF_CLASSIFIER)
    method = _restored(tiny.dgm(gan=gan, classifier=classifier), tiny.dgm(classifier=OPEN))
    assert (method.gan, method.settings) == (gan, classifier)


def test_what_a_command_states_wins_and_what_nobody_states_stays_open():
    gan = dataclasses.replace(tiny.GAN, gradient_penalty_share=0.75)
    method = _restored(tiny.dgm(classifier=OPEN), tiny.dgm(gan=gan, classifier=OPEN))
    assert (method.gan, method.settings) == (gan, OPEN)


def test_a_memory_with_a_resnet_of_before_gives_the_same_labels(tmp_path):
    learner = dgm_tf.load(RESNET)
    expected = np.load(RESNET / "expected.npz")
    assert learner.method.networks.classifier.padding == "same" and learner.method.adam == "keras"
    np.testing.assert_array_equal(learner.classify(expected["images"]), expected["labels"])
    np.testing.assert_allclose(learner.logits(expected["images"]), expected["logits"], atol=1e-5)
    learner.save(tmp_path)
    again = dgm_tf.load(tmp_path)
    np.testing.assert_array_equal(again.classify(expected["images"]), expected["labels"])
    assert again.method.adam == "keras"


def of_format_2(description):
    """What the version before would have written."""
    text = re.sub(r', "(adam|padding)": "\w+"', "", json.dumps(description))
    return json.loads(text) | {"format": 2}


@pytest.mark.parametrize("method", [tiny.dgm, FineTuning])
def test_a_run_of_before_is_resumed_by_its_adam_and_stays_with_it(method):
    learner = dgm_tf.Learner(method())
    learner.learn(tiny.task(0))
    saved, arrays = of_format_2(learner.description()), learner.arrays()
    for _ in range(2):
        resumed = dgm_tf.Learner.from_state(saved, arrays, method())
        assert resumed.method.adam == "keras"
        assert method is FineTuning or resumed.method.gan.adam == "keras"
        saved = resumed.description()
        assert saved["format"] == FORMAT


def test_a_run_of_today_is_resumed_by_the_adam_of_today():
    learner = dgm_tf.Learner(tiny.dgm())
    learner.learn(tiny.task(0))
    method = dgm_tf.Learner.from_state(learner.description(), learner.arrays(), tiny.dgm()).method
    assert (method.gan.adam, method.adam) == ("pytorch", "pytorch")


def test_a_setting_that_a_network_of_ones_own_leaves_out_is_todays():
    """Only learners of earlier formats mean an earlier value by saying nothing."""
    learner = dgm_tf.load(RESNET)
    description = learner.description()
    del description["networks"]["discriminator"]["config"]["padding"]
    method = dgm_tf.Learner.from_state(description, learner.arrays()).method
    assert method.networks.classifier.padding == "symmetric"
