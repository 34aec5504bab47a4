"""The packaged images are there, complete and usable without a network."""

import numpy as np

from dgm_tf.data import ClassIncrementalStream, PackagedMNIST


def test_the_packaged_set_is_ten_balanced_digits():
    arrays = PackagedMNIST().load()
    assert arrays.train_images.shape == (5000, 28, 28, 1)
    assert arrays.test_images.shape == (1000, 28, 28, 1)
    assert np.bincount(arrays.train_labels).tolist() == [500] * 10
    assert np.bincount(arrays.test_labels).tolist() == [100] * 10
    assert arrays.class_names == tuple("0123456789")


def test_a_stream_of_five_packaged_digits():
    stream = ClassIncrementalStream(PackagedMNIST(), num_tasks=5)
    sizes = [(len(task.train), len(task.validation), len(task.test)) for task in stream]
    assert sizes == [(450, 50, 100)] * 5
    assert stream.image_shape == (32, 32, 1)
    assert stream.class_names == ("0", "1", "2", "3", "4")
