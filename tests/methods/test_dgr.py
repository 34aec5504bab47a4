"""DGR: the mixing ratio, labels by the last solver, and classes asked of a generator that knows none."""

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.errors import UserError
from dgm_tf.methods import dgr
from dgm_tf.methods.context import TaskContext
from dgm_tf.methods.dgr import DGR
from dgm_tf.methods.networks import Networks
from dgm_tf.training.classifier import ClassifierSettings
from tests.methods import tiny


def context(index):
    classes = ((0, 1), (2,), (3,))[: index + 1]
    return TaskContext(tiny.task(index, classes[-1], 20 // len(classes[-1])), classes, (32, 32, 1), 0)


def at_task(index, **settings):
    """A method that is about to learn a task, all weights random."""
    method, rng = tiny.dgr(**settings), np.random.default_rng(0)
    for t in range(index + 1):
        method.begin_task(context(t))
        tiny.randomize(method.networks.student, seed=t)
        for variable in method.networks.classifier.trainable_variables:
            variable.assign(rng.normal(0.0, 0.1, variable.shape))
        if t < index:
            method.end_task(context(t))
    return method


@pytest.mark.parametrize(("index", "importance", "share"), [(1, None, 1 / 2), (2, None, 1 / 3), (2, 0.8, 0.8)])
def test_a_share_r_of_what_both_learn_from_is_real(index, importance, share):
    method = at_task(index, importance=importance)
    phase, closing = (make() for make in method.phases(context(index)))
    rows = phase.pool.current
    assert len(rows) == 20 and 20 / len(phase.pool) == pytest.approx(share, abs=0.01)
    drawn = np.concatenate([np.ravel(phase.images.of_step(step)[0]) for step in range(200)])
    assert np.mean(drawn >= rows.start) == pytest.approx(share, abs=0.05)
    assert len(closing.pool) == len(phase.pool)
    replay = np.arange(rows.start)
    for seen, taught in zip(phase.pool.gather(replay), closing.pool.gather(replay), strict=True):
        np.testing.assert_array_equal(seen, taught)


def test_the_share_holds_where_few_images_are_repeated():
    settings = ClassifierSettings("none", closing_epochs=1, min_replay_per_class=50)
    method = at_task(1, settings=settings)
    for phase in (0, 1):
        pool = tiny.pool(method, context(1), phase)
        assert [*map(len, pool.replay), len(pool.current)] == [50, 50]


def test_a_share_that_leaves_nothing_to_replay_replays_nothing():
    assert tiny.replayed(at_task(1, importance=0.99), context(1)) == []


def test_the_first_task_has_nothing_to_replay():
    pool = tiny.pool(at_task(0), context(0))
    assert pool.replay == [] and len(pool) == 20


@pytest.mark.parametrize("quantize", [True, False])
def test_replay_is_labelled_by_the_solver_of_before_the_task(quantize):
    settings = ClassifierSettings("none", closing_epochs=1, quantize_replay=quantize)
    method = at_task(1, settings=settings, importance=0.1)
    ((images, labels),) = tiny.replayed(method, context(1))
    assert len(labels) == 180 and labels.dtype == np.int32
    _, before = method.networks.teacher(images)
    np.testing.assert_array_equal(labels, np.argmax(before, axis=1))
    _, now = method.networks.classifier(images)
    assert not np.array_equal(labels, np.argmax(now, axis=1))
    assert set(labels) <= {0, 1}  # it knows no other classes


def test_a_solver_is_a_network_of_its_own():
    method = at_task(1)
    networks = method.networks
    assert method.classifier is networks.classifier is not networks.critic
    assert networks.classifier.num_classes == 3 and networks.teacher.num_classes == 2
    assert [make().trains_classifier for make in method.phases(context(1))] == [False, True]


def test_asked_classes_are_what_the_solver_takes_them_for():
    method = at_task(2)
    z = tf.random.stateless_normal([200, 8], [1, 2])
    images = method.memory.generate(0, method.memory.latents(0, z, tf.zeros([200], tf.int32)))
    _, logits = method.networks.teacher(images)
    # Random networks see one class everywhere: move the decision to where they waver.
    method.networks.teacher.logits.bias.assign_sub(np.median(logits, axis=0))
    seen = np.bincount(np.argmax(method.networks.teacher(images)[1], axis=1), minlength=3)
    labels = np.resize(np.flatnonzero(seen > 10), 6).astype(np.int32)
    assert len(set(labels)) > 1
    replayed = method.replay(labels, seed=3)
    _, logits = method.networks.teacher(replayed)
    np.testing.assert_array_equal(np.argmax(logits, axis=1), labels)
    assert len({image.tobytes() for image in replayed}) == len(labels)
    np.testing.assert_array_equal(replayed, method.replay(labels, seed=3))


def test_a_class_that_the_solver_never_sees_is_made_up_for():
    method = at_task(2)
    method.networks.teacher.logits.bias.assign([0.0, 0.0, -1e3])
    replayed = method.replay([2, 2, 0], seed=3)
    assert np.all(np.isfinite(replayed)) and replayed.shape == (3, 32, 32, 1)
    np.testing.assert_array_equal(replayed[0], replayed[1])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"importance": 1.0}, "DGR.importance: expected a number in"),
        ({"selection_limit": 0}, "DGR.selection_limit: expected"),
        ({"settings": ClassifierSettings()}, "DGR.settings: .* got 'balanced'"),
        ({"settings": ClassifierSettings("none", closing_epochs=1, generated_current=0.5)}, "got 'none' and 0.5"),
    ],
)
def test_bad_settings_are_named(bad, message):
    with pytest.raises(UserError, match=message):
        DGR(**bad)


def test_the_classes_of_all_networks_are_known_before_any_is_made():
    method = tiny.dgr()
    critic = solver = tiny.Discriminator
    assert method.network_classes() == Networks(generator=tiny.SharedGenerator, critic=critic, classifier=solver)


def test_its_generator_knows_one_class_however_many_there_are():
    assert at_task(0).networks.student.num_classes == at_task(1).networks.student.num_classes == 1


def test_candidates_come_with_the_solvers_shares_of_the_classes(monkeypatch):
    method, shares = at_task(2), []
    monkeypatch.setattr(dgr, "select", lambda labels, candidates, *_: shares.append(candidates(0)[1]) or labels)
    method.memory.draw(tf.constant([0, 2]), tf.constant([1, 2]))
    assert shares[0].shape[1] == 3
    np.testing.assert_allclose(np.sum(shares[0], axis=1), 1.0, rtol=1e-5)


def test_between_two_tasks_nothing_teaches():
    method = at_task(1)
    assert method.networks.teacher is not None
    method.end_task(context(1))
    assert method.networks.teacher is None
