"""The GAN's updates against gradients written out here, on networks of one layer and an optimizer that takes notes."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgm_tf import losses
from dgm_tf.training import gan, task_size
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.gan import GANPhase, GANSettings
from dgm_tf.training.generator_rules import GeneratorRules
from dgm_tf.training.optimizer import LinearDecay
from dgm_tf.training.pool import Pool
from dgm_tf.training.randomness import seeded_initializers

CLASSES, LATENT, BATCH = 2, 3, 4
SETTINGS = GANSettings(
    epochs=2, batch_size=BATCH, generator_learning_rate=0.25, discriminator_learning_rate=0.5, beta_1=0.3, beta_2=0.7,
    gradient_penalty_weight=3.0,
)  # fmt: skip
ALONE = ClassifierSettings("none", closing_epochs=1)  # no classifier beside the GAN


class Generator(keras.Model):
    """2x2 images from z and the class, by one dense layer and tanh."""

    latent_size = LATENT

    def __init__(self):
        super().__init__(name="generator")
        self.dense = keras.layers.Dense(4, name="dense")
        self.dense.build((None, LATENT + CLASSES))
        self.built = True

    def call(self, z, labels):
        codes = tf.one_hot(labels, CLASSES)
        return tf.reshape(tf.tanh(self.dense(tf.concat([codes, z], 1))), [-1, 2, 2, 1])


class Discriminator(keras.Model):
    """Two heads on four features, which are not linear in the pixels."""

    def __init__(self):
        super().__init__(name="discriminator")
        self.hidden, self.realness, self.logits = (
            keras.layers.Dense(n, name=name) for n, name in ((4, "hidden"), (1, "realness"), (CLASSES, "logits"))
        )
        for layer in (self.hidden, self.realness, self.logits):
            layer.build((None, 4))
        self.built, self.asked = True, set()

    def call(self, images, training=False, update_statistics=False):
        self.asked.add((training, update_statistics))
        features = tf.tanh(self.hidden(tf.reshape(images, [-1, 4])))
        return self.realness(features)[:, 0], self.logits(features)


class Rules(GeneratorRules):
    """Notes the z that it is given; its penalty is the squared kernel, its gradients are doubled."""

    def __init__(self, generator, factor=2.0):
        super().__init__(generator, CLASSES)
        self.drawn, self.seeds, self._factor = [], [], factor

    def schedule_at(self, epoch, batch, epochs, batches):
        return {"epoch": float(epoch)}

    def generate(self, z, labels, schedule):
        self.drawn.append(np.asarray(z))
        return self.generator(z, labels)

    def penalty(self, schedule, seed):
        self.seeds.append(tuple(seed.numpy()))
        return tf.reduce_sum(self.generator.dense.kernel**2)

    def transform_gradients(self, gradients, variables, schedule):
        assert [v.path for v in variables] == [v.path for v in self.generator.trainable_variables]
        return [self._factor * gradient for gradient in gradients]


class Notes:
    """Stands for Adam: it keeps what it is made with and given, and moves nothing. made: all of a step's phase."""

    made = []

    def __init__(self, rate, variables, *betas, rule="pytorch"):
        self.made.append(self)
        self.rate, self.built, self.betas = rate, variables, betas[:2]
        self.rule = betas[2] if betas else rule
        self.steps, self.variables = [], []

    def apply(self, gradients, variables):
        self.steps.append({v.path: np.asarray(g) for g, v in zip(gradients, variables, strict=True)})


class Step:
    """One step of a phase, run eagerly; z and the mixing shares are the same for all updates."""

    def __init__(self, settings=SETTINGS, classifier=ALONE, index=0, **rules):
        with seeded_initializers(0, "updates"):
            self.generator, self.discriminator = Generator(), Discriminator()
        self.rules = Rules(self.generator, **rules)
        settings, classifier = task_size.settled(settings, classifier, [1])
        Notes.made.clear()
        self.phase = GANPhase(self.rules, self.discriminator, pool(), settings, classifier, seed=0)
        self.metrics = {name: float(value) for name, value in self.phase.step(index).items()}
        self.optimizers = [*Notes.made]
        self.d_optimizer, self.g_optimizer, *own = self.optimizers
        self.c_optimizer = own[0] if own else None


def pool():
    """An earlier task of class 0 and the present one of class 1, images all different."""
    images = np.random.default_rng(0).uniform(-1, 1, (16, 2, 2, 1)).astype(np.float32)
    return Pool([(images[:8], np.zeros(8, np.int32))], (images[8:], np.ones(8, np.int32)))


@pytest.fixture(autouse=True)
def eagerly(monkeypatch):
    """Steps run as they stand, by optimizers that take notes."""
    monkeypatch.setattr(gan, "make_adam", Notes)
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


Z = tf.constant(np.random.default_rng(1).normal(size=(BATCH, LATENT)), tf.float32)
MIX = tf.constant([0.1, 0.4, 0.7, 0.9])


@pytest.fixture
def fixed_noise(monkeypatch):
    monkeypatch.setattr(gan, "normal", lambda shape, seed: Z)
    monkeypatch.setattr(gan, "uniform", lambda shape, seed: MIX)


def real_batches(step, index=0):
    """(images, labels) of each critic update of a step."""
    rows, _ = step.phase.images.of_step(index)
    return [step.phase.pool.gather(row) for row in rows]


def critic_gradients(step, images, labels, share=1.0):
    """(gradients by path, Wasserstein distance, penalty) as the paper's loss has them."""
    network = step.discriminator
    fake, count = step.generator(Z, labels), round(share * BATCH)
    mix = MIX[:, None, None, None]
    between = (mix * images + (1 - mix) * fake)[:count]
    variables = [*network.hidden.trainable_variables, *network.realness.trainable_variables]
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(between)
            scores = network(between)[0]
        slopes = tf.sqrt(tf.reduce_sum(inner.gradient(scores, between) ** 2, [1, 2, 3]))
        penalty = tf.reduce_mean((slopes - 1) ** 2)
        distance = tf.reduce_mean(network(images)[0]) - tf.reduce_mean(network(fake)[0])
        loss = 3.0 * penalty - distance
    gradients = outer.gradient(loss, variables)
    return {v.path: np.asarray(g) for v, g in zip(variables, gradients, strict=True)}, distance, penalty


def assert_same(gradients, expected, factor=1.0):
    assert gradients.keys() == expected.keys()
    for path, gradient in gradients.items():
        np.testing.assert_allclose(gradient, factor * expected[path], rtol=1e-4, atol=1e-6, err_msg=path)


def test_the_critics_update_goes_down_the_paper_s_loss_and_leaves_the_class_head(fixed_noise):
    step = Step()
    ((images, labels),) = real_batches(step)
    expected, distance, penalty = critic_gradients(step, images, labels)
    (gradients,) = step.d_optimizer.steps
    assert_same(gradients, expected)
    assert step.metrics["loss/wasserstein_distance"] == pytest.approx(float(distance), rel=1e-4)
    assert step.metrics["loss/gradient_penalty"] == pytest.approx(float(penalty), rel=1e-4)
    assert step.metrics["loss/critic"] == pytest.approx(float(3.0 * penalty - distance), rel=1e-4)


def test_a_penalty_on_half_of_the_batch_is_that_of_its_first_images(fixed_noise):
    step = Step(dataclasses.replace(SETTINGS, gradient_penalty_share=0.5))
    ((images, labels),) = real_batches(step)
    expected, _, penalty = critic_gradients(step, images, labels, share=0.5)
    assert_same(step.d_optimizer.steps[0], expected)
    assert step.metrics["loss/gradient_penalty"] == pytest.approx(float(penalty), rel=1e-4)


def test_each_of_several_critic_updates_has_images_of_its_own(fixed_noise):
    step = Step(dataclasses.replace(SETTINGS, critic_steps=2))
    batches = real_batches(step)
    assert len(step.d_optimizer.steps) == 2 and np.any(batches[0][0] != batches[1][0])
    for gradients, (images, labels) in zip(step.d_optimizer.steps, batches, strict=True):
        assert_same(gradients, critic_gradients(step, images, labels)[0])


def generator_gradients(step, labels, auxiliary):
    """Gradients by path of the adversarial loss, the rules' penalty and, where asked for, the cross-entropy."""
    variables = step.generator.trainable_variables
    with tf.GradientTape() as tape:
        scores, logits = step.discriminator(step.generator(Z, labels))
        adversarial, penalty = -tf.reduce_mean(scores), tf.reduce_sum(step.generator.dense.kernel**2)
        rows = tf.range(BATCH)
        likely = tf.gather_nd(tf.nn.log_softmax(logits), tf.stack([rows, labels], 1))
        loss = adversarial + penalty - (tf.reduce_mean(likely) if auxiliary else 0.0)
    gradients = tape.gradient(loss, variables)
    return {v.path: np.asarray(g) for v, g in zip(variables, gradients, strict=True)}, adversarial, penalty


@pytest.mark.parametrize("auxiliary", [False, True])
def test_the_generators_update_goes_down_its_losses_as_the_rules_transform_them(fixed_noise, auxiliary):
    step = Step(dataclasses.replace(SETTINGS, auxiliary_loss=auxiliary))
    ((_, labels),) = real_batches(step)
    expected, adversarial, penalty = generator_gradients(step, labels, auxiliary)
    (gradients,) = step.g_optimizer.steps
    assert_same(gradients, expected, factor=2.0)
    assert step.metrics["loss/generator"] == pytest.approx(float(adversarial), rel=1e-4)
    assert step.metrics["loss/generator_penalty"] == pytest.approx(float(penalty), rel=1e-4)


def test_only_the_generators_gradients_are_clipped_and_that_after_the_rules(fixed_noise):
    step = Step(dataclasses.replace(SETTINGS, clip_norm=1e-3), factor=1e3)
    assert norm(step.g_optimizer.steps[0]) == pytest.approx(1e-3, rel=1e-4)
    assert norm(step.d_optimizer.steps[0]) > 1e-2


def norm(gradients):
    return np.sqrt(sum(np.sum(g**2) for g in gradients.values()))


def test_g_and_d_have_the_rates_and_betas_of_the_settings():
    step = Step(dataclasses.replace(SETTINGS, auxiliary_loss=True), ClassifierSettings("constant"))
    assert (step.g_optimizer.rate, step.g_optimizer.betas) == (0.25, (0.3, 0.7))
    assert (step.d_optimizer.rate, step.d_optimizer.betas) == (0.5, (0.3, 0.7))
    assert step.c_optimizer is None and len(step.d_optimizer.steps) == 1 + 1
    for optimizer, network in ((step.g_optimizer, step.generator), (step.d_optimizer, step.discriminator)):
        assert [v.path for v in optimizer.built] == [v.path for v in network.trainable_variables]


def test_an_optimizer_of_its_own_has_the_classifiers_rate_and_takes_its_updates():
    settings = ClassifierSettings("constant", updates=3, own_optimizer=True, learning_rate=0.125)
    step = Step(classifier=settings)
    assert (step.c_optimizer.rate, step.c_optimizer.betas) == (0.125, ())  # Adam's as everywhere for classifiers
    assert [len(o.steps) for o in (step.c_optimizer, step.d_optimizer, step.g_optimizer)] == [3, 1, 1]
    assert all("realness" not in path for gradients in step.c_optimizer.steps for path in gradients)


@pytest.mark.parametrize("own", [False, True])
def test_rates_fall_over_the_updates_that_each_optimizer_makes(own):
    settings = dataclasses.replace(SETTINGS, learning_rate_decay=0.5, critic_steps=2)
    classifier = ClassifierSettings("constant", updates=3, own_optimizer=own, learning_rate=0.125)
    step = Step(settings, classifier)
    wanted = [(0.5, 2 if own else 5), (0.25, 1), *([(0.125, 3)] if own else [])]
    for optimizer, (rate, updates) in zip(step.optimizers, wanted, strict=True):
        decay = optimizer.rate
        assert isinstance(decay, LinearDecay) and (decay.rate, decay.share) == (rate, 0.5)
        assert decay.updates == step.phase.num_steps * updates


def test_every_update_of_every_step_draws_a_z_of_its_own():
    step = Step(dataclasses.replace(SETTINGS, critic_steps=2))
    step.phase.step(1)
    assert len(step.rules.drawn) == 2 * 3 and {z.shape for z in step.rules.drawn} == {(BATCH, LATENT)}
    assert len({z.tobytes() for z in step.rules.drawn}) == 6
    values = np.concatenate([np.ravel(z) for z in step.rules.drawn])
    assert abs(values.mean()) < 0.4 and 0.7 < values.std() < 1.3
    assert len(set(step.rules.seeds)) == 2


def test_the_networks_are_in_training_mode_and_only_the_classifiers_updates_move_their_averages():
    assert Step().discriminator.asked == {(True, False)}
    assert Step(classifier=ClassifierSettings("constant")).discriminator.asked == {(True, False), (True, True)}


def test_a_preview_is_of_the_classes_asked_for_from_the_same_z_at_the_steps_schedule():
    step, asked = Step(), []

    def preview(z, labels, schedule):
        asked.append((np.asarray(z), labels, float(schedule["epoch"])))
        return 7

    step.rules.preview = preview
    assert step.phase.preview(0, [1, 0]) == step.phase.preview(3, [1, 0]) == 7
    (first, labels, epoch), (again, _, last_epoch) = asked
    assert first.shape == (2, LATENT) and labels == [1, 0] and (epoch, last_epoch) == (0.0, 1.0)
    np.testing.assert_array_equal(first, again)


def test_the_parts_of_a_step_run_alone(fixed_noise):
    step = Step(classifier=ClassifierSettings("constant"))
    parts = step.phase.parts()
    assert set(parts) == {"step", "classifier", "critic", "generator"}
    before = [len(optimizer.steps) for optimizer in (step.d_optimizer, step.g_optimizer)]
    for name, more in (("classifier", (1, 0)), ("critic", (1, 0)), ("generator", (0, 1)), ("step", (2, 1))):
        parts[name](1)
        after = [len(optimizer.steps) for optimizer in (step.d_optimizer, step.g_optimizer)]
        assert tuple(np.subtract(after, before)) == more, name
        before = after


def test_a_step_is_a_function_of_its_number_and_the_seed():
    one, same, other = Step(index=1), Step(index=1), Step(index=2)
    assert one.metrics == same.metrics != other.metrics
    np.testing.assert_array_equal(one.rules.drawn, same.rules.drawn)


def test_the_classifiers_metrics_are_means_over_its_updates(monkeypatch):
    told = iter([(1.0, 0.5), (2.0, 1.0), (6.0, 0.0)])
    seeds = []

    def batch(images, labels, augmentation, seed):
        seeds.append(tuple(seed.numpy()))
        return images, labels

    monkeypatch.setattr(gan, "replica_batch", batch)
    monkeypatch.setattr(gan, "update_classifier", lambda *_: [tf.constant(value) for value in next(told)])
    step = Step(classifier=ClassifierSettings("constant", updates=3))
    assert step.metrics["loss/classifier"] == 3.0 and step.metrics["accuracy/training"] == 0.5
    assert len(set(seeds)) == 3, "augmented in another way in each"


@pytest.mark.parametrize("of_gan", ["pytorch", "keras"])
@pytest.mark.parametrize("of_classifier", ["pytorch", "keras"])
def test_each_optimizer_has_the_rule_of_its_settings(of_gan, of_classifier):
    classifier = ClassifierSettings("constant", own_optimizer=True, adam=of_classifier)
    step = Step(dataclasses.replace(SETTINGS, adam=of_gan), classifier)
    rules = [o.rule for o in (step.d_optimizer, step.g_optimizer, step.c_optimizer)]
    assert rules == [of_gan, of_gan, of_classifier]


def test_with_a_class_loss_the_critics_update_teaches_the_class_head_its_real_images_classes():
    with_loss, without = (Step(dataclasses.replace(SETTINGS, class_loss=on)) for on in (True, False))
    (gradients,), (plain,) = (step.d_optimizer.steps for step in (with_loss, without))
    heads = {v.path for v in with_loss.discriminator.logits.trainable_variables}
    assert gradients.keys() - plain.keys() == heads and heads
    pictures, labels = with_loss.phase.pool.gather(tf.constant(with_loss.phase.images.of_step(0)[0][0], tf.int32))
    with tf.GradientTape() as tape:
        loss = losses.acgan_loss(with_loss.discriminator(pictures, training=True)[1], labels)
    head = with_loss.discriminator.logits.trainable_variables
    for variable, expected in zip(head, tape.gradient(loss, head), strict=True):
        np.testing.assert_allclose(gradients[variable.path], expected, atol=1e-6)
    assert with_loss.metrics["loss/critic"] == pytest.approx(without.metrics["loss/critic"] + float(loss), rel=1e-5)
