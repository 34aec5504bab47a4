"""A network of one's own is one file: gin names it, a method trains it, a memory of it loads."""

import sys

import numpy as np
import pytest

import dgm_tf
from dgm_tf import config
from dgm_tf.data import ClassIncrementalStream, PackagedMNIST

FILE = '''
"""One dense layer on the pixels."""

import gin
import keras
import tensorflow as tf

import dgm_tf
from dgm_tf.networks.two_headed import TwoHeadedNetwork


@gin.register
@dgm_tf.register
@keras.saving.register_keras_serializable("linear_network")
class Linear(TwoHeadedNetwork):
    """The pixels themselves are the features."""

    def __init__(self, image_shape=(32, 32, 1), num_classes=1):
        super().__init__(name="discriminator")
        self.image_shape, self.num_classes = tuple(image_shape), num_classes
        self.realness = keras.layers.Dense(1, name="realness")
        self.logits = keras.layers.Dense(num_classes, name="logits")
        pixels = image_shape[0] * image_shape[1] * image_shape[2]
        self.realness.build((None, pixels))
        self.logits.build((None, pixels))
        self.built = True

    def features(self, images, training=False, update_statistics=False):
        return tf.reshape(images, [-1, self.logits.kernel.shape[0]])

    def get_config(self):
        return {"image_shape": list(self.image_shape), "num_classes": self.num_classes}
'''
RUN = """
import linear_network
include "gin/data/mnist_mini.gin"
include "gin/methods/fine_tuning.gin"
FineTuning.discriminator = @Linear
FineTuning.epochs = 2
"""


@pytest.fixture
def own(tmp_path, monkeypatch, clean_gin):
    """The configuration of a run with the network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "linear_network.py").write_text(FILE)
    (tmp_path / "run.gin").write_text(RUN)
    config.import_modules(["linear_network"])
    return config.parse("run.gin", modules=["linear_network"])


def test_a_network_is_one_file(own, tmp_path):
    import gin

    method = gin.get_configurable("FineTuning")()
    stream = ClassIncrementalStream(PackagedMNIST(), classes_per_task=3, num_tasks=1)
    learner, task = dgm_tf.Learner(method), stream.task(0)
    learner.learn(task)
    labels = learner.classify(task.test.images)
    assert np.mean(labels == task.test.labels) > 0.9
    learner.save(tmp_path / "memory")
    assert '"linear_network/Linear"' in (tmp_path / "memory" / "learner.json").read_text()
    np.testing.assert_array_equal(dgm_tf.load(tmp_path / "memory").classify(task.test.images), labels)
