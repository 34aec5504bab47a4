"""Tables that a person reads: after each task, at the end of a run, and as Markdown.

`results` is the content of `results.json`. Only `accuracy_matrix` and `class_names` are needed; whatever else
is missing, null or NaN reads "-". `classes_per_task` (or `per_class_accuracy`) tells which classes each
task brought; without either, tasks are taken to bring one class each where the numbers agree.
"""

import sys

import numpy as np
from rich import box
from rich.console import Group
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dgm_tf import output
from dgm_tf.measures.fidelity import means
from dgm_tf.text import markdown, shown

LOG_WIDTH = 100  # columns where the output is no terminal
MOST_CLASSES = 20  # up to which each class gets a row of its own after a task
OTHER_ACCURACIES = {"top-5": "top5_average_accuracy", "GAN-test": "gan_test", "GAN-train": "gan_train"}
DRIFT_LIMIT = 1e-6  # the invariant of a memory that is frozen: earlier tasks' images change by no more
ROUNDING_LIMIT = 0.02  # of [-1, 1] images on another device; a GPU's TF32, in which replay once was, changed 0.007

NOTE = (
    "A_k: mean accuracy over the k classes seen so far, on real test images. GAN-test: on generated images, "
    "of a classifier trained on real ones. GAN-train: on real images, of one trained on nothing but replay. Precision: "
    "share of generated images that lie among real ones; recall: of real ones that lie among the generated."
)


def print_report(renderable, file=None):
    """Prints a table to `file` (default stdout); where that is no terminal, as plain text of 100 columns."""
    stream = output.lasting(sys.stdout if file is None else file)
    is_terminal = stream.isatty()
    width = None if is_terminal else LOG_WIDTH
    output.console(stream, force_terminal=is_terminal, width=width).print(renderable)


def task_table(results, task=None):
    """What `task` (0-based; default: the last one learned) left behind: accuracies per class and the sums.

    With more than 20 classes the rows are tasks instead.
    """
    task = len(results["accuracy_matrix"]) - 1 if task is None else task
    title = f"After task {task + 1}: {_task_names(results)[task]}"
    table = Table(title=_text(title), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    table.add_column("accuracy on", max_width=40, overflow="ellipsis", no_wrap=True)
    table.add_column("%", justify="right", no_wrap=True)
    table.add_column("")
    for name, accuracy in _accuracy_rows(results, task):
        table.add_row(_text(name), _percent(accuracy), _bar(accuracy))
    table.add_section()
    average = _at(results.get("average_accuracy"), task)
    table.add_row("average over classes seen", _percent(average), _bar(average), style="bold")
    for name, key in OTHER_ACCURACIES.items():
        table.add_row(name, _percent(_at(results.get(key), task)), _bar(_at(results.get(key), task)))
    return Group(table, _facts(_task_facts(results, task)))


def final_table(results):
    """The whole run: one row per task, the sums below, warnings in a box that cannot be missed."""
    headers, rows = _task_rows(results)
    table = Table(title="Results", box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    table.padding, table.pad_edge = (0, 1, 0, 0), False
    for header in headers:
        look = {"justify": "left", "max_width": 24} if header == "learned" else {"justify": "right"}
        table.add_column(Text(_narrow(header)), overflow="ellipsis", no_wrap=True, **look)
    for row in rows:
        table.add_row(*map(_text, row))
    note = Text(f"\n{NOTE}", style="dim")
    return Group(table, _facts(_run_facts(results)), note, *warning_panel(results.get("warnings")))


def markdown_table(results):
    """The rows of `final_table` as a Markdown table."""
    headers, rows = _task_rows(results)
    marks = ["---" if header == "learned" else "---:" for header in headers]
    for row in rows:
        row[2] = markdown(row[2]).replace("|", "\\|")
    lines = [headers, marks, *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _narrow(header):
    """`header` with one word a line."""
    return header.replace("-", "-\n").replace(" ", "\n").replace("top-\n", "top-")


def _task_rows(results):
    """Headers and one row of strings per task."""
    columns = {
        "A_k (%)": _column(results, "average_accuracy", _percent),
        _best_epoch_header(results): _column(results, "best_accuracy", _percent),
        **{name: _column(results, key, _percent) for name, key in OTHER_ACCURACIES.items()},
        **{name: _column(results["bounds"], name, _percent, results) for name in results.get("bounds") or {}},
        "size": ["-" if _missing(size) else f"{size / 1000:.1f}k" for size in _sizes(results)],
        "time": _column(results, "seconds", lambda seconds: duration(_total(seconds))),
    }
    sizes = _classes_per_task(results)
    seen = np.cumsum(sizes) if sizes else ["-"] * len(results["accuracy_matrix"])
    rows = [
        [str(task + 1), str(seen[task]), name, *(column[task] for column in columns.values())]
        for task, name in enumerate(_task_names(results))
    ]
    return ["task", "k", "learned", *columns], rows


def _best_epoch_header(results):
    return "best epoch (not strict)" if results.get("protocol") == "published" else "best epoch"


def _task_facts(results, task):
    seconds = _at(results.get("seconds"), task)
    phases = seconds.items() if isinstance(seconds, dict) else ()
    detail = ", ".join(f"{name} {duration(value)}" for name, value in phases if name != "total")
    return {
        "forgetting": _percent(_at(results.get("forgetting"), task), unit=" %"),
        **_replay_facts(_at(results.get("accuracy_on_replay"), task)),
        **_fidelity_facts(_at(results.get("fidelity"), task)),
        "generator size": f"{_count(_sizes(results)[task])} parameters",
        "time": duration(_total(seconds)) + (f" ({detail})" if detail else ""),
    }


def _replay_facts(accuracies):
    measured = [accuracy for accuracy in accuracies or [] if accuracy is not None]
    text = f"{_percent(np.mean(measured), unit=' %')} on average over {len(measured)} classes" if measured else ""
    return {"on replay, without test images": text} if text else {}


def _fidelity_facts(fidelity):
    mean = means(fidelity or {})
    facts = [f"{name} {_percent(mean[name], unit=' %')}" for name in ("precision", "recall") if name in mean]
    facts += [f"pixel distance {mean['pixel_distance']:.3f}"] if "pixel_distance" in mean else []
    return {"replay beside real": ", ".join(facts)} if facts else {}


def _run_facts(results):
    sizes = _sizes(results)
    times = [_total(seconds) for seconds in results.get("seconds") or [] if _total(seconds) is not None]
    return {
        "forgetting": _percent(_at(results.get("forgetting"), -1), unit=" %"),
        "backward transfer": _percent(_at(results.get("backward_transfer"), -1), unit=" %"),
        **_fidelity_facts(_at(results.get("fidelity"), -1)),
        "replay drift": _drift(results.get("replay_drift"), results.get("replay_is_frozen", True)),
        **_device_difference(results.get("replay_device_difference"), results.get("replay_is_frozen", True)),
        "generator size": f"{_count(sizes[0])} -> {_count(sizes[-1])} parameters",
        "on disk": f"weights {byte_text(_at(results.get('weights_bytes'), -1))}, "
        f"masks {byte_text(_at(results.get('masks_bytes'), -1))}",
        "time": duration(sum(times) if times else None),
    }


def _facts(facts):
    grid = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        style = "bold red" if "LEAK" in value else None
        grid.add_row(f" {name}", _text(value), style=style)
    return grid


def warning_panel(warnings):
    """A list with one box around the warnings that cannot be missed; empty where there are none."""
    if not warnings:
        return []
    text = Text("\n".join(f"! {shown(warning)}" for warning in warnings))
    title = f"{len(warnings)} WARNING{'S' if len(warnings) > 1 else ''}"
    return [Panel(text, title=title, style="bold red", box=box.HEAVY, title_align="left")]


def caution_panel(text):
    """A box around what a method's settings are known to do badly: to be expected, and so no warning."""
    return Panel(_text(text), title="CAUTION", style="yellow", box=box.ROUNDED, title_align="left")


def _text(text):
    """Text that is what it is, whatever it holds."""
    return Text(shown(text))


def _accuracy_rows(results, task):
    """(name, accuracy) of each class seen after `task`; of each task if the classes are many or unknown."""
    per_class = _at(results.get("per_class_accuracy"), task)
    if per_class is not None and len(per_class) <= MOST_CLASSES:
        return list(zip(results["class_names"], per_class, strict=False))
    row = results["accuracy_matrix"][task][: task + 1]
    return [(f"task {i + 1}: {name}", row[i]) for i, name in enumerate(_task_names(results)[: len(row)])]


def _classes_per_task(results):
    """Number of classes of each task learned so far, or None where the results do not tell."""
    num_tasks = len(results["accuracy_matrix"])
    if results.get("classes_per_task"):
        return list(results["classes_per_task"])[:num_tasks]
    if results.get("per_class_accuracy"):
        return np.diff([0, *map(len, results["per_class_accuracy"])]).tolist()
    return [1] * num_tasks if len(results["class_names"]) == num_tasks else None


def _task_names(results):
    """The names of the classes that each task brought, the first two of them: "ant, bee + 8"."""
    sizes = _classes_per_task(results)
    if sizes is None:
        return ["-"] * len(results["accuracy_matrix"])
    names = iter(results["class_names"])
    return [_shortened([str(next(names)) for _ in range(size)]) for size in sizes]


def _shortened(names):
    return ", ".join(names[:2]) + (f" + {len(names) - 2}" if len(names) > 2 else "")


def _sizes(results):
    num_tasks = len(results["accuracy_matrix"])
    capacity = results.get("capacity") or []
    return [(_at(capacity, task) or {}).get("size") for task in range(num_tasks)]


def _column(source, key, form, results=None):
    num_tasks = len((results or source)["accuracy_matrix"])
    return [form(_at(source.get(key), task)) for task in range(num_tasks)]


def _at(values, index):
    """`values[index]`, or `values` itself where it is one number, or None where there is nothing."""
    if values is None or isinstance(values, (int, float)):
        return values
    return values[index] if -len(values) <= index < len(values) else None


def _missing(value):
    return value is None or not np.isfinite(value)


def _percent(fraction, unit=""):
    return "-" if _missing(fraction) else f"{100 * fraction:.2f}{unit}"


def _bar(fraction):
    return "" if _missing(fraction) else ProgressBar(total=1.0, completed=fraction, width=30)


def _count(number):
    return "-" if _missing(number) else f"{number:,.0f}"


def byte_text(number):
    """Such as 1.23 MB or 4.50 kB."""
    if _missing(number):
        return "-"
    unit, scale = ("MB", 1e6) if number >= 1e6 else ("kB", 1e3)
    return f"{number / scale:.2f} {unit}"


def _total(seconds):
    """Seconds of one task: a number, or the sum (or the entry `total`) of a dict phase -> seconds."""
    if not isinstance(seconds, dict):
        return seconds
    return seconds.get("total", sum(value for value in seconds.values() if not _missing(value)))


def duration(seconds):
    """Such as 45.2s, 3m05s, 2h10m."""
    if _missing(seconds):
        return "-"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def _drift(drift, is_frozen):
    """The largest of all numbers in `drift` (a number or lists of them), loud if a promised invariant is broken."""
    values = np.array(_flat(drift), float)
    if not values.size:
        return "-"
    largest = values.max()  # NaN if any is: a NaN image is a leak too
    text = f"{largest:.3g} (largest change of an earlier task's images)"
    return text if largest <= DRIFT_LIMIT or not is_frozen else f"{text} - LEAK: more than {DRIFT_LIMIT:g}"


def _device_difference(difference, is_frozen):
    if not difference:
        return {}
    text = f"{difference:.3g} (images changed when the run went on elsewhere, or in another process on a GPU)"
    leaks = is_frozen and difference > ROUNDING_LIMIT
    return {"device difference": f"{text} - LEAK: more than rounding" if leaks else text}


def _flat(values):
    if isinstance(values, dict):
        values = list(values.values())
    if not isinstance(values, (list, tuple, np.ndarray)):
        return [] if values is None else [values]
    return [number for value in values for number in _flat(value)]
