"""What the importance-regularised classifiers share: padding, stored images, resuming, the caution."""

import dataclasses

import numpy as np
import pytest

import dgm_tf
from dgm_tf.errors import UserError
from dgm_tf.learner import Learner
from dgm_tf.methods.ewc import EWC
from dgm_tf.methods.rwalk import RWalk
from dgm_tf.methods.synaptic_intelligence import SynapticIntelligence
from dgm_tf.training.classifier import class_variables
from dgm_tf.training.pool import Pool, RehearsalPool
from tests.methods.regularized_tasks import SHAPE, TASKS, Snapshots, TinyMLP, assert_same, learner

METHODS = (EWC, RWalk, SynapticIntelligence)
SETTINGS = {EWC: {"fisher_images": 8}, RWalk: {"interval": 5}, SynapticIntelligence: {}}
IMAGE_BYTES = int(np.prod(SHAPE))


@pytest.fixture(scope="module", params=METHODS, ids=lambda method: method.__name__)
def learned(request, tmp_path_factory):
    """(learner of three tasks, folder saved after the second, states in the third, what it kept after the second)."""
    method = request.param
    one, snapshots, folder = learner(method, **SETTINGS[method]), Snapshots(step=7), tmp_path_factory.mktemp("saved")
    for task in TASKS[:2]:
        one.learn(task)
    one.save(folder)
    kept = {name: [a.copy() for a in arrays] for name, arrays in one.method.carried.items()}
    one.learn(TASKS[2], (snapshots,))
    return one, folder, snapshots.states, kept


@pytest.mark.parametrize("moment", ["step", "phases done"])
def test_a_task_taken_up_again_in_its_middle_ends_the_same(learned, moment):
    taken_up = Learner.from_state(*learned[2][moment])
    assert taken_up.num_tasks == 2
    taken_up.learn(TASKS[2])
    assert_same(taken_up, learned[0])


def test_a_loaded_learner_goes_on_like_one_never_saved(learned):
    loaded = dgm_tf.load(learned[1])
    loaded.learn(TASKS[2])
    assert_same(loaded, learned[0])


def test_within_a_task_more_is_kept_than_between_tasks(learned):
    between, within = (len(state) for state in (learned[0].method.arrays(), learned[2]["step"][1]))
    assert not any(key.startswith("traces/") for key in learned[0].method.arrays())
    assert within > between


def test_outputs_of_new_classes_begin_with_zeros(learned):
    loaded = dgm_tf.load(learned[1])
    phases = []

    class Look(Snapshots):
        def on_phase_begin(self, learner, context, phase):
            phases.append({name: [a.copy() for a in arrays] for name, arrays in learner.method.carried.items()})

    loaded.learn(TASKS[2], (Look(0),))
    for name, arrays in phases[0].items():
        *hidden, kernel, bias = arrays
        assert kernel.shape == (6, 6) and bias.shape == (6,)
        assert not kernel[:, 4:].any() and not bias[4:].any()
        for padded, before in zip(arrays, learned[3][name], strict=True):
            np.testing.assert_array_equal(padded[tuple(slice(0, n) for n in before.shape)], before)


def test_importances_are_there_and_none_is_negative(learned):
    importances = learned[0].method.importances
    assert all(np.min(i) >= 0.0 and np.isfinite(i).all() for i in importances)
    assert sum(np.count_nonzero(i) for i in importances) > 100


def test_some_images_of_each_class_are_stored(learned):
    method = learned[0].method
    stored = {k: v for k, v in method.arrays().items() if k.startswith("exemplars/")}
    assert [images.shape for images in stored.values()] == [(3, *SHAPE)] * 6
    for label, images in enumerate(stored.values()):
        own = TASKS[label // 2].train
        originals = {image.tobytes() for image in own.images[own.labels == label]}
        assert len({image.tobytes() for image in images} & originals) == 3


def test_memory_is_counted(learned):
    method = learned[0].method
    sizes = method.memory_bytes()
    parameters = sum(a.size for a in method.carried["anchors"])
    assert sizes["images"] == 18 * IMAGE_BYTES and sizes["anchors"] == 4 * parameters
    assert sizes["importances"] == 4 * parameters * (2 if isinstance(method, RWalk) else 1)


def test_the_penalty_is_watched_and_starts_at_its_anchor(learned):
    scalars, histograms = learned[0].method.watch({})
    assert histograms == {} and scalars["loss/penalty"] >= 0.0
    if not isinstance(learned[0].method, EWC):
        assert scalars["loss/penalty"] == 0.0  # the anchor is where the last task ended


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_a_strong_penalty_holds_the_weights(method):
    moved = []
    for strength in (0.0, 1e6):
        one = learner(method, samples_per_class=0, strength=strength, **SETTINGS[method])
        one.learn(TASKS[0])
        before = [np.array(a) for a in one.method.carried["anchors"]]
        importances = [i.copy() for i in one.method.importances]
        one.learn(TASKS[1])
        after = [a[tuple(slice(0, n) for n in b.shape)] for a, b in zip(_weights(one), before, strict=True)]
        rows = zip(importances, before, after, strict=True)
        moved.append(sum(float(np.sum(i * (a - b) ** 2)) for i, b, a in rows))
    assert moved[1] < 0.1 * moved[0]


def _weights(one):
    return [np.asarray(v).copy() for v in class_variables(one.method.classifier)]


def test_the_first_task_has_no_penalty_and_no_stored_images():
    one = learner(SynapticIntelligence, strength=1e9)
    two = learner(SynapticIntelligence, strength=0.0)
    pools = []

    class Look(Snapshots):
        def on_phases_end(self, learner, context):
            pools.append(type(learner.method.pool(context)))

    for each in (one, two):
        each.learn(TASKS[0], (Look(0),))
    np.testing.assert_array_equal(one.logits(TASKS[0].test.images), two.logits(TASKS[0].test.images))
    one.learn(TASKS[1], (Look(0),))
    assert pools == [Pool, Pool, RehearsalPool]


def test_stored_images_keep_earlier_classes_in_mind():
    accuracies = []
    for samples in (0, 8):
        one = learner(EWC, samples_per_class=samples, strength=0.0, epochs=20, fisher_images=1)
        for task in TASKS[:2]:
            one.learn(task)
        accuracies.append(np.mean(one.classify(TASKS[0].test.images) == TASKS[0].test.labels))
    assert accuracies[0] == 0.0 and accuracies[1] > 0.7


def test_without_stored_images_the_caution_says_so():
    assert "arXiv 1904.07734" in EWC(TinyMLP, samples_per_class=0).caution
    assert EWC(TinyMLP, samples_per_class=1).caution is None


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
@pytest.mark.parametrize(
    "bad",
    [{"samples_per_class": -1}, {"current_share": 0.0}, {"strength": -1.0}, {"epochs": 0}],
    ids=lambda bad: next(iter(bad)),
)
def test_bad_settings_are_named(method, bad):
    with pytest.raises(UserError, match=f"{method.__name__}.{next(iter(bad))}: expected"):
        method(**bad)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_settings_are_all_in_what_is_saved(method):
    described = learner(method).method
    settings = dgm_tf.serialization.from_json(dgm_tf.serialization.to_json(described))
    assert dataclasses.asdict(settings) == dataclasses.asdict(described)
