r"""Plants one-line faults in a copy of the project, one at a time, and tells which of them its tests do not see.

  python tests/mutation/plant_faults.py --seed=0 --count=100 --json=docs/results/planted_faults.json

The faults are a random draw, by the seed, from all that mutants.py finds in the modules of scope.py, and the KNOWN
ones there besides. Each is judged by the tests of its module alone, stopped at the first that fails, in a fork of a
process that has imported TensorFlow: that takes seconds where a new process for each, as mutmut's and cosmic-ray's
runners want it, would take ten more (mutmut's own forks cannot be had: it wraps functions, and AutoGraph reads them).
Survivors that no test can or need see are explained in survivors.json. See docs/development.md.
"""

import argparse
import concurrent.futures
import contextlib
import datetime
import json
import os
import pathlib
import platform
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import time

import mutants
import scope

COPIED = (
    "dgm_tf", "tests", "gin", "docs", "tools", "bin", "pyproject.toml", "setup.py", "README.md", "CHANGELOG.md",
    "CONTRIBUTING.md",
)  # fmt: skip
WORKER = pathlib.Path(__file__).with_name("worker.py")
EXPLAINED = pathlib.Path(__file__).with_name("survivors.json")


class Worker:
    """A copy of the project and a process that judges faults in it.

    A fault may end that process, as may a machine that is short of memory: another one then tries once more.
    """

    def __init__(self, folder, script=WORKER):
        self._folder, self._script, self._passing = folder, script, set()
        for name in COPIED:
            source = scope.ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.is_file():
                shutil.copy(source, folder / name)
        self._start()

    def _start(self):
        environment = os.environ | {
            "PYTHONPATH": str(self._folder), "PYTHONDONTWRITEBYTECODE": "1", "CUDA_VISIBLE_DEVICES": "-1",
            "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3",
        }  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(self._script)], cwd=self._folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def judge(self, tests, path=None, text=None):
        """The worker's answer; with a path, while the file holds another text."""
        with self._planted(path, text):
            answer = self._asked(tests) or self._asked(tests)
        return json.loads(answer) if answer else {"outcome": "killed", "by": "the worker ended twice", "seconds": 0.0}

    def _asked(self, tests):
        """The process's answer, a line; "" if it has ended: then another one is there."""
        answer = ""
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(tests), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        if not answer:
            self._process.kill()
            self.close()
            self._start()
        return answer

    def judge_fault(self, fault):
        """The fault with the answer, after a look whether the test that sees it passes without it."""
        answer = self.judge(fault["tests"], fault["path"], fault["text"])
        # Where not even a test was found, as a module cannot be imported or the process crashed, all of them.
        seeing = (answer["by"],) if "::" in answer["by"] else tuple(fault["tests"])
        if answer["outcome"] == "killed" and seeing not in self._passing:
            without = self.judge(list(seeing))
            if without["outcome"] != "survived":
                raise RuntimeError(f"{' '.join(seeing)}: fails without any fault, too: mend that first")
            self._passing.add(seeing)
        _print(fault, answer)
        return {name: value for name, value in fault.items() if name not in ("text", "tests")} | answer

    @contextlib.contextmanager
    def _planted(self, path, text):
        if path is None:
            yield
            return
        file = self._folder / path
        whole = file.read_bytes()
        file.write_text(text, encoding="utf-8")
        try:
            yield
        finally:
            file.write_bytes(whole)

    def close(self):
        """Ends the process."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def drawn_faults(seed, count, only=""):
    """`count` faults at random, as dicts; only: part of the modules' paths."""
    found = []
    for module in filter(scope.tests_of, scope.modules()):
        text = (scope.ROOT / module).read_text(encoding="utf-8")
        found += [(mutant, text) for mutant in mutants.mutants_of(module, text) if only in module]
    chosen = random.Random(seed).sample(found, min(count, len(found)))
    return [
        {
            "path": m.path, "line": m.line, "kind": m.kind, "before": m.before, "after": m.after,
            "tests": scope.tests_of(m.path), "text": m.planted(text),
        }
        for m, text in sorted(chosen, key=lambda pair: (pair[0].path, pair[0].start))
    ]  # fmt: skip


def known_faults():
    """The `KNOWN` ones as dicts."""
    faults = []
    for what, path, before, after, *tests in scope.KNOWN:
        text = (scope.ROOT / path).read_text(encoding="utf-8")
        if text.count(before) != 1:
            found = text.count(before)
            raise AssertionError(f"KNOWN in scope.py, {what}: expected {before!r} once in {path}, got {found}")
        line = text[: text.index(before)].count("\n") + 1
        faults.append({
            "path": path, "line": line, "kind": what, "before": before, "after": after,
            "tests": tests or scope.tests_of(path), "text": text.replace(before, after),
        })  # fmt: skip
    return faults


def judged(faults, jobs):
    """The faults, each with the answer of a worker."""
    with tempfile.TemporaryDirectory() as root, concurrent.futures.ThreadPoolExecutor(jobs) as threads:
        free, workers = queue.SimpleQueue(), [Worker(pathlib.Path(root, str(i))) for i in range(jobs)]

        def judge(fault):
            worker = free.get()
            try:
                return worker.judge_fault(fault)
            finally:
                free.put(worker)

        for worker in workers:
            free.put(worker)
        try:
            return list(threads.map(judge, faults))
        finally:
            threads.shutdown(cancel_futures=True)
            for worker in workers:
                worker.close()


def _print(fault, answer):
    place = f"{fault['path']}:{fault['line']}"
    change = f"{fault['kind']}: {fault['before']} -> {fault['after']}"
    by = f"[{answer['by']}]" if answer["outcome"] == "killed" else ""
    print(f"{answer['seconds']:7.1f} s  {answer['outcome']:9} {place} {change} {by}", flush=True)


def report(arguments, drawn, known, seconds):
    """What is written as JSON."""
    reasons = {(e["path"], e["before"], e["after"]): e["why"] for e in json.loads(EXPLAINED.read_text())}
    survivors = [fault for fault in (*drawn, *known) if fault["outcome"] == "survived"]
    for fault in survivors:
        fault["why"] = reasons.get((fault["path"], fault["before"], fault["after"]))
    return {
        "command": " ".join(["python", "tests/mutation/plant_faults.py", *arguments]),
        "commit": _git("rev-parse", "HEAD"),
        "changed_files": _git("status", "--short", "dgm_tf", "tests", "gin").splitlines(),
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "seconds": round(seconds),
        "modules_without_tests_of_their_own": [m for m in scope.modules() if not scope.tests_of(m)],
        "drawn": len(drawn), "killed": sum(fault["outcome"] != "survived" for fault in drawn),
        "timeouts": sum(fault["outcome"] == "timeout" for fault in (*drawn, *known)),
        "known": len(known), "known_killed": sum(fault["outcome"] != "survived" for fault in known),
        "survivors": survivors, "faults": [*drawn, *known],
    }  # fmt: skip


def _git(*arguments):
    run = subprocess.run(["git", *arguments], cwd=scope.ROOT, capture_output=True, text=True)
    return run.stdout.strip()


def main(arguments):
    """Runs the command; 1 if a known fault survived or more than 5 % of the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--count", type=int, default=100, help="faults to draw")
    parser.add_argument("--only", default="", help="part of a module's path: draw from such alone, none of KNOWN")
    parser.add_argument("--without", default="none", help="part of a test's path: leave such out, to look quickly")
    parser.add_argument("--jobs", type=int, default=1, help="copies of the project to work in at a time")
    parser.add_argument("--json", type=pathlib.Path, help="file to write the result to")
    given = parser.parse_args(arguments)
    since = time.monotonic()
    drawn, known = drawn_faults(given.seed, given.count, given.only), [] if given.only else known_faults()
    for fault in (*known, *drawn):
        fault["tests"] = [test for test in fault["tests"] if given.without not in test]
    drawn = [fault for fault in drawn if fault["tests"]]
    done = judged([*known, *drawn], given.jobs)
    result = report(arguments, done[len(known) :], done[: len(known)], time.monotonic() - since)
    if given.json:
        given.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for fault in result["survivors"]:
        print(f"survived: {fault['path']}:{fault['line']} {fault['before']} -> {fault['after']} ({fault['why']})")
    print(f"killed {result['killed']} of {result['drawn']} drawn faults and "
          f"{result['known_killed']} of {result['known']} known ones in {result['seconds']} s")  # fmt: skip
    return result["known_killed"] < result["known"] or result["killed"] < 0.95 * result["drawn"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
