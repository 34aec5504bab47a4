"""Limits on files from strangers, all in one place: see docs/limits.md.

They are far above what real data need, and keep a hostile file from filling memory or disk. Where a person may need
more, a setting of the reader overrides them.
"""

import pathlib

# Images
MAX_PIXELS = 178_956_970  # of an image as it is decoded: Pillow's own limit; JPEGs are decoded at a fraction
COSTLY_FORMATS = ("WEBP", "JPEG2000", "AVIF")  # whose decoders hold several copies: half as many pixels
MAX_SHRUNK_FACTOR = 8  # times more pixels in a JPEG that is decoded at a fraction
MAX_PROGRESSIVE_FACTOR = 2  # the same in a progressive one, whose coefficients are all held in memory
MAX_IMAGE_FILE_BYTES = 2_000_000_000  # of an image file; some decoders hold it whole
LARGE_PIXELS = 16_000_000  # images beyond are decoded one at a time, and shrunk band by band
MAX_DEPTH = 64  # folders inside a class's folder

# Archives
MAX_ARRAYS_BYTES = 16_000_000_000  # of all arrays of an .npz that is read into memory
MAX_HEADER_BYTES = 10_000  # of an array's header: NumPy's own limit
MAX_DIRECTORY_BYTES = 16_000_000  # of the list of members at an archive's end
MAX_RATIO = 200  # of unpacked to packed bytes of images; pictures are far below, a bomb is near 1000
FREE_BYTES = 50_000_000  # unpacked, that may have any ratio
MAX_NAME_CHARACTERS = 1000  # of a class's name
MAX_LABELS_BYTES = 500_000_000  # of the labels of an archive, and of those for the test
MAX_NAMES_BYTES = 64_000_000  # of the names of its classes
MAX_CLASSES = 1_000_000

# Features
MAX_FEATURES_BYTES = 256_000_000  # of feature vectors that are held in memory; more are memory-mapped or made anew

# Backbones
MAX_BACKBONE_LAYERS = 2000
MAX_BACKBONE_WEIGHTS = 250_000_000  # numbers, of all layers together
MAX_BACKBONE_VALUES = 64_000_000  # that a layer may put out for one image
MAX_BACKBONE_HELD_VALUES = 256_000_000  # of all outputs for one image that later layers still take
MAX_BACKBONE_FEATURES = 65_536
MAX_BACKBONE_DEPTH = 8  # models inside each other in a file
MAX_BACKBONE_CONFIG_BYTES = 16_000_000  # of the description in a .keras file
MAX_BACKBONE_FILE_BYTES = 4_000_000_000  # of a file of weights


def free_memory():
    """Bytes of memory that this process may still take, or None where that is not told.

    A container's limit counts, too.
    """
    try:
        facts = dict(line.split(":") for line in pathlib.Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
        free = 1024 * int(facts["MemAvailable"].split()[0])
    except (OSError, ValueError, KeyError):  # not Linux
        return None
    try:
        group = pathlib.Path("/sys/fs/cgroup")
        most, used = ((group / f"memory.{name}").read_text(encoding="ascii") for name in ("max", "current"))
        return min(free, max(0, int(most) - int(used)))
    except (OSError, ValueError):  # no limit
        return free
