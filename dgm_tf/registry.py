"""Registry of the classes that a saved learner may name: methods, settings, networks.

A memory may come from a stranger. So its file names no Python object: it holds names of this table, and nothing else
of it is ever imported or called.
"""

import importlib
import pkgutil
import re

from dgm_tf.errors import UserError

PACKAGE = "dgm_tf"
MAIN = "__main__"
_PARTS = ("methods", "features", "networks", "training")  # of the package, whose modules register classes
_NAME = re.compile(r"(?:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*/)?[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
_classes: dict[str, type] = {}


def register(cls):
    """Class decorator that lets a saved learner name a method, a dataclass of settings or a network.

    Its name is the class's own for classes of dgm_tf, and "my_module/MyMethod" for those of others: such a learner
    loads only where `my_module` has been imported, or given to a command by --import.

    Raises:
      UserError: if another class has the name.
    """
    name = _name(cls)
    known = _classes.setdefault(name, cls)
    if known is not cls and known.__module__ != cls.__module__:
        raise UserError(f"register: expected a name of its own, got {name!r}, which {known.__module__} has registered")
    _classes[name] = cls  # a notebook's cell that is run again defines its class anew
    return cls


def name_of(cls):
    """Returns the registered name of a class.

    Raises:
      UserError: if it has none, or is defined in a script or notebook, where no other process could find it.
    """
    if cls.__module__ == MAIN:
        raise UserError(
            f"{cls.__qualname__}: expected a class that another process can import, got one defined in {MAIN} (a "
            "script or notebook); move it into a module of its own, put @dgm_tf.register above it, and import that"
        )
    # gin calls and passes on a subclass of its own making, which has the class's name.
    if not issubclass(cls, _classes.get(_name(cls), ())):
        raise UserError(
            f"{cls.__qualname__}: expected a registered class, which a saved learner can name; put @dgm_tf.register "
            f"above it in {cls.__module__}"
        )
    return _name(cls)


def find(name: str) -> type:
    """Returns the class of a registered name. Only modules of dgm_tf are imported for it.

    name: as `name_of` gives it, or "module:Class", as learners saved by dgm_tf 0.1 have it.

    Raises:
      UserError: if no class is registered under the name.
    """
    name = _translated(name)
    if not _NAME.fullmatch(name):
        raise UserError(f"expected the registered name of a class, such as 'DGM', got {name[:80]!r}")
    if name not in _classes and "/" not in name:
        import_own()
    if name in _classes:
        return _classes[name]
    if "/" in name:
        module = name.split("/")[0]
        raise UserError(
            f"{name!r} is a class of somebody's own, which must be registered (@dgm_tf.register) before this is "
            f"loaded: import {module} first (--import={module}) if you trust it"
        )
    raise UserError(f"{name!r} is no registered class of dgm_tf; known: {', '.join(sorted(_own_names()))}")


def same(cls, other):
    """Whether two classes are the same, except for gin's subclasses of them."""
    return name_of(cls) == name_of(other)


def import_own():
    """Imports all modules of dgm_tf that register classes."""
    for part in _PARTS:
        package = importlib.import_module(f"{PACKAGE}.{part}")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")


def is_own(cls):
    """Whether the class belongs to dgm_tf."""
    return cls.__module__.split(".")[0] == PACKAGE


def _own_names():
    return [name for name in _classes if "/" not in name]


def _name(cls):
    return cls.__qualname__ if is_own(cls) else f"{cls.__module__}/{cls.__qualname__}"


def _translated(name):
    module, colon, qualname = str(name).partition(":")
    if not colon:
        return str(name)
    return qualname if module.split(".")[0] == PACKAGE else f"{module}/{qualname}"
