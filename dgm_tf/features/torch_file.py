"""Reads a file of PyTorch's weights, as `torch.save` wrote it before version 1.6, without PyTorch.

The file is a pickle, and a pickle may call anything. Here it can name three things, none of which does anything: an
`OrderedDict`, a tensor, which becomes a tuple, and types of numbers, which become text.
"""

import collections
import math
import pickle

import numpy as np

from dgm_tf.errors import UserError
from dgm_tf.text import shown

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *parts: parts  # a new one each time: a pickle may set attributes of what it names
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        raise pickle.UnpicklingError(f"a file of weights names {module}.{name}"[:200])

    def persistent_load(self, pid):
        return pid


def read(file, where):
    """Reads the tensors of a file object.

    Returns:
      {name: array}.

    Raises:
      UserError: it is no such file, or names anything else than tensors.
    """
    try:
        magic, version, _, tensors, keys = (_Unpickler(file).load() for _ in range(5))
        if (magic, version) != (_MAGIC, _VERSION):
            raise ValueError("another format")
        types = {storage[2]: storage[1] for storage, *_ in tensors.values()}
        return _arrays(tensors, {key: _storage(file, types[key]) for key in keys})
    except Exception as error:  # what is no such file fails anywhere
        got = f"another ({shown(error, most=100)}); get a whole copy"
        raise UserError(f"{where}: expected a file of PyTorch's weights, got {got}") from error


def _storage(file, dtype):
    if dtype not in _TYPES.values():
        raise ValueError("a storage of no numbers")
    count = int.from_bytes(file.read(8), "little")
    data = file.read(count * np.dtype(dtype).itemsize)
    return np.frombuffer(data, dtype, count)


def _arrays(tensors, storages):
    return {str(name): _array(storages[storage[2]], *where[:3]) for name, (storage, *where) in tensors.items()}


def _array(numbers, offset, shape, strides):
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if min((offset, *shape, *strides)) < 0 or last >= len(numbers) or not 0 < math.prod(shape) <= len(numbers):
        raise ValueError("a tensor outside its storage")
    byte_strides = [stride * numbers.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(numbers[offset:], shape, byte_strides, writeable=False).copy()
