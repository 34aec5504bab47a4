"""The faults that are planted: of the kinds that a hand slips into, none of them in what no program looks at."""

import ast

import pytest

from tests.mutation import mutants, scope


def planted(text):
    """The texts with one fault each."""
    found = [mutant.planted(text) for mutant in mutants.mutants_of("a.py", text)]
    for faulty in found:
        assert faulty != text and ast.parse(faulty)
    assert len(set(found)) == len(found)
    return found


@pytest.mark.parametrize(
    ("text", "faulty"),
    [
        ("x = a + b", ["x = (a - b)", "x = (a)", "x = (b)"]),
        ("x = a < 1", ["x = (a <= 1)", "x = a < 2"]),
        ("x = a and b", ["x = (a or b)", "x = (a)", "x = (b)"]),
        ("x = a if b else c", ["x = a if (not (b)) else c"]),
        ("x = -a", ["x = (a)"]),
        ("def f(rate=0.5): pass", ["def f(rate=1.0): pass"]),
        ("x = True", ["x = False"]),
        ("x += a", ["x -= a", "pass"]),
        ("tf.stop_gradient(a)", ["(a)", "pass"]),
        ("x = f(a, b, key=c)", ["x = (f(b, a, key=c))", "x = (f(a, b))"]),
        ("x = f(a, tf.float32)", []),
        ("x = f(a, a)", []),
        ("x = tf.zeros(n)", ["x = (tf.ones(n))"]),
        ("def f():\n    return a == b", ["def f():\n    return (a != b)"]),
        ("é = a * 2", ["é = (a / 2)", "é = (a)", "é = (2)", "é = a * 3"]),
    ],
)
def test_each_kind_of_fault(text, faulty):
    assert sorted(planted(text)) == sorted(faulty)


@pytest.mark.parametrize(
    "text",
    [
        '"""It is 2 + 2."""\n', "import a\n", "x: int\n", "@f(1)\ndef g(): pass\n", "raise E(f'{a + 1} 2', 3)\n",
        "x = f'{a + 1}'\n", "x = fold_in(a, 1)\n", "x = zip(a, b[c], strict=True)\n", "x = {1: a}\n",
        "class A(f(1)):\n    '''1.'''\n",
    ],
)  # fmt: skip
def test_what_no_program_looks_at_is_left_alone(text):
    assert planted(text) == []


def test_the_files_of_the_table_are_there_and_many_faults_can_be_planted():
    modules = list(filter(scope.tests_of, scope.modules()))
    assert {"dgm_tf/losses.py", "dgm_tf/layers/masked.py", "dgm_tf/training/gan.py"} < set(modules)
    for module in (*modules, *scope.MORE_TESTS):
        assert all((scope.ROOT / path).is_file() for path in (module, *scope.tests_of(module))), module
    texts = {module: (scope.ROOT / module).read_text(encoding="utf-8") for module in modules}
    assert sum(len(mutants.mutants_of(module, text)) for module, text in texts.items()) > 2000


def test_what_is_known_to_have_passed_once_can_still_be_planted():
    for what, path, before, *_ in scope.KNOWN:
        assert (scope.ROOT / path).read_text(encoding="utf-8").count(before) == 1, what
