"""One-line faults in Python source, by its syntax tree: what a slip of a programmer's hand would leave behind.

What no program behaves differently for is left alone: docstrings, messages, names, annotations, imports, decorators.
"""

import ast
import dataclasses

ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_WITH_OPPOSITES = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)  # the other one is the negation
_PAIRS = (
    ("maximum", "minimum"), ("max", "min"), ("any", "all"), ("zeros", "ones"), ("zeros_like", "ones_like"),
    ("reduce_sum", "reduce_mean"), ("sum", "mean"), ("sin", "cos"), ("argmax", "argmin"),
    ("assign_add", "assign_sub"),
)  # fmt: skip
CALLS = dict(_PAIRS) | {b: a for a, b in _PAIRS}
# Functions that leave something out when they are left out themselves.
UNWRAPPED = (
    "stop_gradient", "square", "sqrt", "abs", "l2_normalize", "softmax", "sigmoid", "relu", "tanh", "reversed",
    "sorted", "transpose", "replica_slice", "to_uint8", "copy",
)  # fmt: skip
WORDS = (
    ("mean", "sum"), ("zeros", "ones"), ("same", "valid"), ("SAME", "VALID"), ("weights", "units"),
    ("one_hot", "embedding"), ("task", "class"), ("balanced", "constant"), ("strict", "published"), ("model", "labels"),
)  # fmt: skip
_OTHER_WORDS = {b: a for a, b in WORDS} | dict(WORDS)
# Arguments that change nothing: a name, and a check of two lengths that only another fault would make unlike.
_WITHOUT_EFFECT = ("name", "strict")
# Numbers that only tell one purpose from another: any others would do.
_ANY_NUMBERS = ("fold_in", "stateless_seed", "numpy_generator", "seeded_initializers")
_SKIPPED_FIELDS = {
    ast.FunctionDef: ("decorator_list", "returns"), ast.ClassDef: ("decorator_list", "bases", "keywords"),
    ast.AnnAssign: ("annotation", "target"), ast.arg: ("annotation",), ast.Import: ("names",),
    ast.ImportFrom: ("names",), ast.Raise: ("exc", "cause"), ast.Assert: ("msg",), ast.JoinedStr: ("values",),
    ast.Dict: ("keys",),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A fault: in the file at `path` the characters from `start` to `stop` are replaced.

    Attributes:
      path: of the file, from the project's root.
      line: 1-based.
      kind: of fault.
      start, stop: offsets in the file's text.
      replacement: what stands there then.
      before, after: the code that is changed, as far as it fits on a line, for people.
    """

    path: str
    line: int
    kind: str
    start: int
    stop: int
    replacement: str
    before: str
    after: str

    def planted(self, text):
        """The file's text with the fault in it."""
        return text[: self.start] + self.replacement + text[self.stop :]


def mutants_of(path, text):
    """All `Mutant`s of a file's text, in its order, no two the same."""
    found = {(mutant.start, mutant.stop, mutant.replacement): mutant for mutant in _Finder(path, text).found}
    return [found[place] for place in sorted(found)]


class _Finder:
    def __init__(self, path, text):
        self.found, self._path, self._text = [], path, text
        starts = [0]
        for line in text.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        self._starts, self._lines = starts, text.splitlines()
        self._visit(ast.parse(text))

    def _visit(self, node):
        for method in (getattr(self, f"_in_{type(node).__name__.lower()}", None), self._statement):
            if method:
                method(node)
        skipped = _SKIPPED_FIELDS.get(type(node), ())
        for field, value in ast.iter_fields(node):
            if field not in skipped:
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST) and not _is_left_alone(node, child):
                        self._visit(child)

    def _offset(self, line, column):
        prefix = self._lines[line - 1].encode()[:column].decode()
        return self._starts[line - 1] + len(prefix)

    def _add(self, node, kind, replacement):
        start, stop = self._offset(node.lineno, node.col_offset), self._offset(node.end_lineno, node.end_col_offset)
        before = self._text[start:stop]
        self.found.append(Mutant(
            self._path, node.lineno, kind, start, stop, replacement, _on_a_line(before), _on_a_line(replacement)
        ))  # fmt: skip

    def _replace(self, node, kind, **fields):
        changed = type(node)(**{name: fields.get(name, value) for name, value in ast.iter_fields(node)})
        text = ast.unparse(ast.fix_missing_locations(changed))
        self._add(node, kind, text if isinstance(node, ast.stmt) else f"({text})")

    def _in_binop(self, node):
        if type(node.op) in ARITHMETIC:
            self._replace(node, "arithmetic", op=ARITHMETIC[type(node.op)]())
        if isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.Div)):
            self._add(node, "term left out", f"({ast.unparse(node.left)})")
        if isinstance(node.op, (ast.Add, ast.Mult)):
            self._add(node, "term left out", f"({ast.unparse(node.right)})")

    def _in_augassign(self, node):
        if type(node.op) in ARITHMETIC:
            self._replace(node, "arithmetic", op=ARITHMETIC[type(node.op)]())

    def _in_compare(self, node):
        if type(node.ops[0]) in COMPARISONS:
            self._replace(node, "comparison", ops=[COMPARISONS[type(node.ops[0])](), *node.ops[1:]])

    def _in_boolop(self, node):
        self._replace(node, "and/or", op=ast.Or() if isinstance(node.op, ast.And) else ast.And())

        for i in range(len(node.values)):
            rest = ast.BoolOp(node.op, node.values[:i] + node.values[i + 1 :])
            self._add(node, "clause left out", f"({ast.unparse(rest)})")

    def _in_unaryop(self, node):
        if isinstance(node.op, (ast.Not, ast.USub, ast.Invert)) and not isinstance(node.operand, ast.Constant):
            self._add(node, "sign dropped", f"({ast.unparse(node.operand)})")

    def _in_constant(self, node):
        value = node.value
        if isinstance(value, bool):
            self._add(node, "constant", repr(not value))
        elif isinstance(value, int):
            self._add(node, "constant", repr(value + 1))
        elif isinstance(value, float):
            self._add(node, "constant", repr(_other(value)))
        elif value in _OTHER_WORDS:
            self._add(node, "other word", repr(_OTHER_WORDS[value]))

    def _in_if(self, node):
        self._negate(node.test)

    def _in_ifexp(self, node):
        self._negate(node.test)

    def _in_while(self, node):
        self._negate(node.test)

    def _negate(self, test):
        if not (isinstance(test, ast.Compare) and isinstance(test.ops[0], _WITH_OPPOSITES)):
            self._add(test, "condition negated", f"(not ({ast.unparse(test)}))")

    def _in_call(self, node):
        name = _called(node)
        if name in CALLS and isinstance(node.func, ast.Attribute):
            function = ast.Attribute(node.func.value, CALLS[name], node.func.ctx)
            self._replace(node, "other function", func=function)
        elif name in CALLS:
            self._replace(node, "other function", func=ast.Name(CALLS[name], ast.Load()))
        if name in UNWRAPPED and node.args:
            self._add(node, "call left out", f"({ast.unparse(node.args[0])})")
        first, second = [*map(ast.dump, node.args), "", ""][:2]
        if len(node.args) > 1 and first != second and all(map(_may_be_mistaken, node.args[:2])):
            self._replace(node, "arguments swapped", args=[node.args[1], node.args[0], *node.args[2:]])
        for keyword in node.keywords:
            if keyword.arg is not None and keyword.arg not in _WITHOUT_EFFECT:
                rest = [k for k in node.keywords if k is not keyword]
                self._replace(node, f"argument {keyword.arg} dropped", keywords=rest)

    def _in_return(self, node):
        if isinstance(node.value, (ast.Compare, ast.BoolOp)):
            self._negate(node.value)

    def _statement(self, node):
        attribute = isinstance(node, ast.Assign) and isinstance(node.targets[0], (ast.Attribute, ast.Subscript))
        call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        if attribute or call or isinstance(node, ast.AugAssign):
            self._add(node, "statement left out", "pass")


def _other(value):
    """Another number, far enough away to matter: twice as much; of what guards a division nothing."""
    return 0.0 if 0 < abs(value) < 1e-4 else value * 2 or 1.0


def _called(node):
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _may_be_mistaken(argument):
    """Whether an argument is a plain variable; with types and numbers in each other's place nothing would run."""
    name = argument.attr if isinstance(argument, ast.Attribute) else getattr(argument, "id", "")
    return bool(name) and not name.startswith(("float", "int", "uint", "bool", "self"))


def _is_left_alone(parent, node):
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    purpose = isinstance(node, ast.Constant) and isinstance(parent, ast.Call) and _called(parent) in _ANY_NUMBERS
    without_effect = isinstance(parent, ast.keyword) and parent.arg in _WITHOUT_EFFECT
    return docstring or purpose or without_effect


def _on_a_line(code, limit=160):
    line = " ".join(code.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
