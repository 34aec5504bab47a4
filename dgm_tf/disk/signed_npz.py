"""Writing of .npz files that end with their own SHA-256, without a second copy of the arrays in memory."""

import hashlib
import io
import json
import struct
import zipfile

import numpy as np

COMMENT = b"sha256:"
COMMENT_BYTES = len(COMMENT) + 64
_LARGE_FLOATS = 2**24  # bytes from which an array of floats is not packed: it takes minutes and saves nothing
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a zip archive's earliest time: equal content makes equal files


def content(arrays, compress=False, **texts):
    """A function that writes a signed .npz to a file and returns its SHA-256. Equal content gives equal bytes.

    It takes no memory for a second copy of the arrays.

    Args:
      arrays: {name: array}.
      compress: whether members are packed, but for large floats.
      texts: JSON values by name.
    """
    encoded = {k: np.frombuffer(json.dumps(v).encode(), np.uint8) for k, v in texts.items()}

    def write(file):
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in (arrays | encoded).items():
                _write_member(archive, name, np.asanyarray(array), compress)
        file.seek(-2, io.SEEK_END)
        file.write(struct.pack("<H", COMMENT_BYTES) + COMMENT)
        file.seek(0)  # what was written is read again, as a zip archive's headers are corrected in the end
        digest = hashlib.file_digest(file, "sha256")
        signature = digest.hexdigest().encode()
        file.seek(0, io.SEEK_END)
        file.write(signature)
        digest.update(signature)
        return digest.hexdigest()

    return write


def _write_member(archive, name, array, compress):
    member = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
    packs = compress and not (array.dtype.kind == "f" and array.nbytes > _LARGE_FLOATS)
    member.compress_type = zipfile.ZIP_DEFLATED if packs else zipfile.ZIP_STORED
    with archive.open(member, "w", force_zip64=True) as file:
        np.lib.format.write_array(file, array, allow_pickle=False)
