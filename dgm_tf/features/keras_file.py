"""Reads a .keras file as data. Its description is compared with the closed list, and no class of it is looked up."""

import contextlib
import io
import json
import math
import zipfile
import zlib

from dgm_tf import limits
from dgm_tf.disk.regular_files import NotRegular, open_regular
from dgm_tf.errors import UserError, reason
from dgm_tf.features import keras_config, weight_files
from dgm_tf.text import shown

SUFFIX = ".keras"
_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_MOST_MEMBERS = 10_000
_COPIES = 4  # of the weights: an optimizer keeps some
_FREE_BYTES = 100_000_000  # that may stand beside them
_CHUNK = 2**20


def opened(path, name):
    """Opens a regular file; name: of the setting that names it."""
    try:
        return open_regular(path)
    except NotRegular as error:
        raise UserError(f"{name}: expected a file, got {error}: {shown(path)}") from error
    except FileNotFoundError as error:
        raise UserError(f"{name}: expected a file, found none at {shown(path)}; check its name") from error
    except OSError as error:
        raise UserError(f"{name}: {shown(path)}: {reason(error)}") from error


def read_config(path, name):
    """Returns the `keras_config.Reading` of a file.

    Raises:
      UserError: it is no .keras file, or one of another model than of Keras's own layers of images.
    """
    where = f"{name}: {shown(path.name, most=100)}"
    with _archive(path, name, where) as archive:
        text = _member(archive, _CONFIG, limits.MAX_BACKBONE_CONFIG_BYTES, where)
        try:
            config = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"{where}: expected JSON in {_CONFIG}, got {shown(error, most=100)}; save it again"
            ) from error
    try:
        return keras_config.read(config, where)
    except RecursionError as error:
        raise UserError(f"{where}: expected models inside each other, got too deep a description") from error


def weights(path, name, places, layers):
    """Reads the weights of layers from a .keras file, or from a file of weights alone.

    Args:
      places: for each layer, where a file of Keras 3 has it.
      layers: built layers of Keras; their weights need not have values.

    Returns:
      a list of float32 arrays for each layer.
    """
    where = f"{name}: {shown(path.name, most=100)}"
    shapes = [[tuple(variable.shape) for variable in layer.weights] for layer in layers]
    with contextlib.ExitStack() as stack:
        if path.suffix == SUFFIX:
            count = sum(math.prod(shape) for of_layer in shapes for shape in of_layer)
            most = min(_COPIES * 4 * count + _FREE_BYTES, limits.MAX_BACKBONE_FILE_BYTES)
            with _archive(path, name, where) as archive:
                file = io.BytesIO(_member(archive, _WEIGHTS, most, where))
        else:
            file = stack.enter_context(opened(path, name))
        content = stack.enter_context(weight_files.opened(file, where))
        return weight_files.read(content, places, shapes, where)


@contextlib.contextmanager
def _archive(path, name, where):
    with opened(path, name) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                if len(archive.filelist) > _MOST_MEMBERS:
                    raise UserError(f"{where}: expected a .keras file, got an archive of {len(archive.filelist)} files")
                yield archive
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
            raise UserError(
                f"{where}: expected a .keras file as Model.save writes it, got {shown(error, most=100)}; save it again"
            ) from error


def _member(archive, member, most, where):
    """Unpacks a file of the archive, never more than it declares or may have."""
    try:
        declared = archive.getinfo(member).file_size
    except KeyError as error:
        raise UserError(f"{where}: expected {member} in it, found none; save it again with Model.save") from error
    if declared > most:
        raise UserError(f"{where}: expected at most {most:,} bytes in {member}, got {declared:,}")
    data = bytearray()
    with archive.open(member) as stream:
        while chunk := stream.read(_CHUNK):
            data += chunk
            if len(data) > declared:
                raise UserError(f"{where}: expected {declared:,} bytes in {member}, got more")
    return bytes(data)
