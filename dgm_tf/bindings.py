"""Bindings of a gin configuration, read without running it."""

from gin import config_parser


class Reference(str):
    """A gin reference or macro as written in the text, such as "@a/DGM()" or "%epochs"; equal to no string value."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other):
        return isinstance(other, Reference) and str.__eq__(self, other)

    def __repr__(self):
        return str(self)

    @property
    def scope(self):
        """Part before the last slash, or ""."""
        return self[1:].rpartition("/")[0]

    @property
    def name(self):
        """The class or function, without scope and modules."""
        return self[1:].rpartition("/")[2].removesuffix("()").rpartition(".")[2]


class References(config_parser.ParserDelegate):
    """Lets gin's parser read a text without looking up what its references and macros stand for."""

    def configurable_reference(self, scoped_configurable_name, evaluate):
        """A `Reference`."""
        return Reference(f"@{scoped_configurable_name}{'()' if evaluate else ''}")

    def macro(self, macro_name):
        """A `Reference`."""
        return Reference(f"%{macro_name}")


class Bindings:
    """The last word of a configuration on each parameter.

    Args:
      statements: of gin's parser, in their order, made with `References`.
    """

    def __init__(self, statements):
        bound = [s for s in statements if isinstance(s, config_parser.BindingStatement)]
        self._stated = {(s.scope, s.selector, s.arg_name): s.value for s in bound}
        self._values = {(s.scope, s.selector.rpartition(".")[2], s.arg_name): s.value for s in bound}

    def all(self):
        """{"scope/Class.parameter" or a macro's name: value}."""
        names = {key: "/".join(filter(None, [key[0], ".".join(filter(None, key[1:]))])) for key in self._stated}
        return {names[key]: value for key, value in self._stated.items()}

    def value(self, scope, name, parameter, default=None):
        """Returns the value of a call in the scope, macros resolved: the binding with the longest matching scope wins.

        name: of the class, without its module.
        """
        parts = scope.split("/") if scope else []
        for length in range(len(parts), -1, -1):
            key = "/".join(parts[:length]), name, parameter
            if key in self._values:
                return self.resolved(self._values[key])
        return default

    def scope(self, scope, name, parameter):
        """The scope that the object which a call in a scope gets is made in, "" for none."""
        value = self.value(scope, name, parameter)
        return (value.scope if isinstance(value, Reference) else "") or scope

    def resolved(self, value):
        """Resolves a macro to its value, or None if it is not set; returns other values unchanged."""
        for _ in self._values:
            if not (isinstance(value, Reference) and value.startswith("%")):
                break
            value = self._values.get((value.scope, value.name, ""))
        return value
