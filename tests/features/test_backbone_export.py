"""A backbone in a graph: its layers have plain names, so that exports take it."""

import re

import numpy as np
import tensorflow as tf

from dgm_tf.features.backbone import Backbone
from tests.features import models


def test_a_saved_model_gives_the_same_features(tmp_path):
    models.model().save(tmp_path / "tiny.keras")
    module = tf.Module()
    module.network = Backbone(str(tmp_path / "tiny.keras")).extractor(models.images(), seed=0)
    signature = [tf.TensorSpec((None, models.SIDE, models.SIDE, 3))]
    module.features = tf.function(lambda images: module.network(images), input_signature=signature)
    tf.saved_model.save(module, str(tmp_path / "export"))
    images = models.signed(models.images())
    loaded = tf.saved_model.load(str(tmp_path / "export"))
    np.testing.assert_allclose(loaded.features(images), module.network(images), rtol=1e-5, atol=1e-6)


def test_whatever_a_file_calls_its_layers_their_names_are_plain(tmp_path):
    models.model().save(tmp_path / "tiny.keras")  # one of its layers is called "_stem conv"
    network = Backbone(str(tmp_path / "tiny.keras")).extractor(models.images(), seed=0)
    assert all(re.fullmatch(r"layer_\d{4}/\w+", weight.path) for weight in network.weights)
