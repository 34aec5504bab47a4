"""Tiny models for tests of backbones, and files of them that are not what they seem."""

import json
import zipfile

import h5py
import keras
import numpy as np

SIDE = 32


def model(name="tiny", shape=(None, None, 3), range_layer=True):
    """Five layers, the first a rescaling; statistics that differ from the initial ones."""
    inputs = keras.Input(shape)
    x = keras.layers.Rescaling(1 / 255)(inputs) if range_layer else inputs
    x = keras.layers.Conv2D(4, 3, padding="same", name="_stem conv")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Activation("relu6")(x)
    made = keras.Model(inputs, keras.layers.Add()([x, keras.layers.Conv2D(4, 1)(x)]), name=name)
    return with_values(made)


def with_values(network):
    """Gives a network weights and statistics that let its features differ from image to image."""
    random = np.random.default_rng(0)
    for weight in network.weights:
        values = random.normal(0.1, 0.3, weight.shape)
        weight.assign(values**2 + 0.1 if weight.path.endswith("variance") else values)
    return network


def images(count=3, side=SIDE):
    """uint8 [count, side, side, 3]."""
    return np.random.default_rng(1).integers(0, 256, (count, side, side, 3)).astype(np.uint8)


def signed(pictures):
    """As extractors take images: float32 in [-1, 1]."""
    return pictures.astype(np.float32) / 127.5 - 1.0


def forged(path, change):
    """Rewrites the description in a .keras file. change: takes the whole description, and may return another text."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    text = change(config)
    parts["config.json"] = text if isinstance(text, (bytes, str)) else json.dumps(config)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def with_weights(path, change):
    """Rewrites the weights in a .keras file. change: takes the open HDF5 file."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    file = path.parent / "changed.h5"
    file.write_bytes(parts["model.weights.h5"])
    with h5py.File(file, "r+") as content:
        change(content)
    parts["model.weights.h5"] = file.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def layer(config, kind):
    """The description of the first layer of a class."""
    return next(entry for entry in config["config"]["layers"] if entry["class_name"] == kind)
