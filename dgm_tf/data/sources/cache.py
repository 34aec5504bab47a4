"""Cache of folders whose files are checked by SHA-256. A damaged folder is made again."""

import concurrent.futures
import contextlib
import hashlib
import os
import shutil
import tempfile

from dgm_tf import stopping
from dgm_tf.disk import leftovers
from dgm_tf.disk.files import FORMAT, damaged, named, read_json, temporary_name, write_json
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import Damaged
from dgm_tf.output import warn

DIGESTS = "sha256.json"  # of all other files in the folder, see `_sha256`
_ADVICE = "it is made again"
_FORMAT = 2  # of that file
_BLOCK = 2**26  # bytes
_CHUNK = 2**20  # bytes read at once


def kept(name, write, read, cache_dir=None, kind="images"):
    """Returns what `read` makes of the cached folder <kind>-<name>, which `write` fills if it is missing.

    Args:
        name: what tells its content from others.
        write: function that fills a folder.
        read: function of the folder; what it maps outlives the folder's name.
        cache_dir: where the folder is; None: nothing is kept.
    """
    if cache_dir is None:
        with tempfile.TemporaryDirectory() as folder:
            return kept(name, write, read, folder, kind)
    folder = user_path(cache_dir, "cache_dir") / f"{kind}-{name}"
    if (content := found(folder, read)) is not None:
        return content
    _build(folder, write)
    return read(folder)


def found(folder, read):
    """What `read` makes of a cached folder, or None if it is missing or damaged. Damage is reported."""
    try:
        if folder.is_dir():
            _check(folder)
            return read(folder)
    except Damaged as error:
        warn(error)
    except FileNotFoundError:  # another run has put it away, as it is damaged
        pass
    return None


def _check(folder):
    """Raises `Damaged` unless all files match their SHA-256."""
    path = folder / DIGESTS
    if not path.is_file():
        raise damaged(folder, f"expected {DIGESTS} in it, found none", _ADVICE)
    digests = read_json(path, _ADVICE)
    digests = digests.get("files") if isinstance(digests, dict) else None
    if not isinstance(digests, dict):
        raise damaged(path, "expected the SHA-256 of each file in it, found none", _ADVICE)
    for name, digest in digests.items():
        if not (folder / name).is_file():
            raise damaged(folder, f"expected {name} in it, found none", _ADVICE)
        if _sha256(folder / name) != digest:
            raise damaged(folder / name, f"its content does not match its SHA-256 in {DIGESTS}", _ADVICE)


def _sha256(path):
    """SHA-256 over the SHA-256s of a file's blocks, computed on all cores: files can have tens of gigabytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        pool = concurrent.futures.ThreadPoolExecutor()
        try:
            for block in pool.map(lambda start: _block_digest(file.fileno(), start), _starts(path)):
                digest.update(block)
                stopping.check()
        finally:
            pool.shutdown(cancel_futures=True)
    return digest.hexdigest()


def _starts(path):
    return range(0, path.stat().st_size, _BLOCK)


def _block_digest(descriptor, start):
    digest, end = hashlib.sha256(), start + _BLOCK
    while start < end and (chunk := os.pread(descriptor, _CHUNK, start)):
        digest.update(chunk)
        start += len(chunk)
    return digest.digest()


def _build(folder, write):
    """Fills the folder under a temporary name first, so that it is complete or absent."""
    leftovers.sweep_shared(folder.parent)
    building = temporary_name(folder)
    building.mkdir(parents=True)
    try:
        with named(folder):
            write(building)
            digests = {path.name: _sha256(path) for path in sorted(building.iterdir())}
            write_json(building / DIGESTS, {FORMAT: _FORMAT, "files": digests})
            _put(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _put(building, folder):
    """Renames the folder into place. A damaged one is removed; processes that have mapped it keep it."""
    earlier = temporary_name(folder)
    try:
        if folder.is_dir() and not _is_whole(folder):
            with contextlib.suppress(FileNotFoundError):
                os.rename(folder, earlier)
        os.rename(building, folder)
    except OSError:  # another run was as quick
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(earlier, ignore_errors=True)


def _is_whole(folder):
    try:
        _check(folder)
    except (Damaged, FileNotFoundError):
        return False
    return True
