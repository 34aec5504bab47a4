"""How a weight is saved between tasks, declared where the weight is made."""

import enum


class Storage(enum.Enum):
    """KEEP: as it is. BITS: it is a task's mask, one bit an entry, 8 in a byte. REBUILD: not at all, as it follows
    from others, or is empty between tasks."""

    KEEP = "keep"
    BITS = "bits"
    REBUILD = "rebuild"


def stored_as(variable, storage):
    """Marks a Keras variable; returns it."""
    variable.dgm_storage = storage
    return variable


def storage_of(variable):
    """The variable's `Storage`; KEEP unless it is marked."""
    return getattr(variable, "dgm_storage", Storage.KEEP)
