"""Tables printed after each task and at the end of a run."""

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
from dgm_tf.measures.measure import Better, Shown, Unit
from dgm_tf.text import shown

LOG_WIDTH = 100  # columns where the output is no terminal
MOST_CLASSES = 20  # up to which each class gets a row of its own after a task
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


def task_table(record):
    """Table after the last learned task: accuracy of each class, and the measures.

    With more than 20 classes the rows are tasks instead. record: `Record`.
    """
    names = _task_names(record)
    table = Table(title=_text(f"After task {record.learned}: {names[-1]}"), box=box.SIMPLE_HEAD)
    table.title_justify, table.title_style = "left", "bold"
    table.add_column("accuracy on", max_width=40, overflow="ellipsis", no_wrap=True)
    table.add_column("%", justify="right", no_wrap=True)
    table.add_column("")
    for name, accuracy in _accuracy_rows(record, names):
        table.add_row(_text(name), _percent(accuracy), _bar(accuracy))
    table.add_section()
    average = record.final("average_accuracy")
    table.add_row("average over classes seen", _percent(average), _bar(average), style="bold")
    for about in _columns(record):
        if about.name not in ("average_accuracy", "best_accuracy"):
            value = record.final(about.name)
            bar = _bar(value) if about.better is Better.HIGHER and about.unit is Unit.PERCENT else ""
            table.add_row(_text(about.title), _number(value, about), bar)
    return Group(table, _facts(_task_facts(record)))


def final_table(record):
    """Table of the whole run: one row per task, totals below, warnings in a box."""
    headers, rows = _task_rows(record)
    table = Table(title="Results", box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    table.padding, table.pad_edge = (0, 1, 0, 0), False
    for header in headers:
        look = {"justify": "left", "max_width": 24} if header == "learned" else {"justify": "right"}
        table.add_column(Text(_narrow(header)), overflow="ellipsis", no_wrap=True, **look)
    for row in rows:
        table.add_row(*map(_text, row))
    note = Text(f"\n{NOTE}", style="dim")
    return Group(table, _facts(_run_facts(record)), note, *warning_panel(record.warnings))


def _narrow(header):
    """`header` with one word a line."""
    return header.replace("-", "-\n").replace(" ", "\n").replace("top-\n", "top-")


def _columns(record):
    """`Description`s of the measures that tables have a column for, of which some value is there."""
    return [about for about in record.measures.values() if about.shown is Shown.COLUMN and record.has(about.name)]


def _task_rows(record):
    """Headers and one row of strings per task."""
    columns = {}
    for about in _columns(record):
        header = _best_epoch_header(record) if about.name == "best_accuracy" else about.title
        header = f"{header} (%)" if about.name == "average_accuracy" else header
        columns[header] = [_number(value, about) for value in record.column(about.name)]
    for name, values in (record.last.get("bounds") or {}).items():
        columns[name] = [_percent(_at(values, task)) for task in range(record.learned)]
    columns["size"] = ["-" if _missing(size) else f"{size / 1000:.1f}k" for size in _sizes(record)]
    columns["time"] = [duration(_total(task.seconds)) for task in record.task_records]
    rows = [
        [str(task + 1), str(record.classes_seen[task]), name, *(column[task] for column in columns.values())]
        for task, name in enumerate(_task_names(record))
    ]
    return ["task", "k", "learned", *columns], rows


def _best_epoch_header(record):
    return "best epoch (not strict)" if record.protocol == "published" else "best epoch"


def _task_facts(record):
    seconds = record.task_records[-1].seconds
    detail = ", ".join(f"{name} {duration(value)}" for name, value in seconds.items() if name != "total")
    return {
        **_measured_facts(record),
        **_replay_facts(record.final("accuracy_on_replay")),
        **_fidelity_facts(record.final("fidelity")),
        **_generator_size(_sizes(record)[-1:]),
        **_kept(record),
        "time": duration(_total(seconds)) + (f" ({detail})" if detail else ""),
    }


def _measured_facts(record):
    """Last values of the measures that are shown below the tables."""
    facts = [a for a in record.measures.values() if a.shown is Shown.FACT and record.is_measured(a.name)]
    return {about.title: _number(record.final(about.name), about, " %") for about in facts}


def _replay_facts(accuracies):
    measured = [accuracy for accuracy in accuracies or [] if accuracy is not None]
    text = f"{_percent(np.mean(measured), unit=' %')} on average over {len(measured)} classes" if measured else ""
    return {"on replay, without test images": text} if text else {}


def _fidelity_facts(fidelity):
    mean = means(fidelity or {})
    facts = [f"{name} {_percent(mean[name], unit=' %')}" for name in ("precision", "recall") if name in mean]
    facts += [f"pixel distance {mean['pixel_distance']:.3f}"] if "pixel_distance" in mean else []
    return {"replay beside real": ", ".join(facts)} if facts else {}


def _run_facts(record):
    sizes, frozen = _sizes(record), record.last.get("replay_is_frozen") is not False
    times = [_total(task.seconds) for task in record.task_records if task.seconds]
    return {
        **_measured_facts(record),
        **_fidelity_facts(record.final("fidelity")),
        **({"replay drift": _drift(record.last.get("replay_drift"), frozen)} if record.has("replay_drift") else {}),
        **_device_difference(record.last.get("replay_device_difference"), frozen),
        **_generator_size([sizes[0], sizes[-1]]),
        **_kept(record),
        "on disk": _on_disk(record.sizes),
        "time": duration(sum(times) if times else None),
    }


def _generator_size(sizes):
    """Of methods with a generator."""
    if all(map(_missing, sizes)):
        return {}
    return {"generator size": f"{' -> '.join(map(_count, sizes))} parameters"}


def _kept(record):
    """What is kept of earlier images, in words and bytes."""
    kept = record.last.get("what_is_kept")
    if not isinstance(kept, dict):  # of an earlier version
        return {}
    count = sum((record.final("memory_bytes") or {}).values())
    pretrained = "; features pretrained on other images" if kept.get("pretrained") else ""
    return {"kept of images": f"{kept.get('of images')}, {byte_text(count)}{pretrained}"}


def _on_disk(sizes):
    parts = [f"{name} {byte_text(sizes.get(f'{name}_bytes'))}" for name in ("weights", "masks")]
    stored = sizes.get("stored_bytes") or 0
    return ", ".join([*parts, *([f"stored {byte_text(stored)}"] if stored > 1000 else [])])


def _facts(facts):
    grid = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        style = "bold red" if "LEAK" in value else None
        grid.add_row(f" {name}", _text(value), style=style)
    return grid


def warning_panel(warnings):
    """A list with one box around all warnings; empty without warnings."""
    if not warnings:
        return []
    text = Text("\n".join(f"! {shown(warning)}" for warning in warnings))
    title = f"{len(warnings)} WARNING{'S' if len(warnings) > 1 else ''}"
    return [Panel(text, title=title, style="bold red", box=box.HEAVY, title_align="left")]


def caution_panel(text):
    """A box with a caution: a known weakness of the method's settings, so not a warning."""
    return Panel(_text(text), title="CAUTION", style="yellow", box=box.ROUNDED, title_align="left")


def _text(text):
    """Plain text for `rich`, without markup."""
    return Text(shown(text))


def _accuracy_rows(record, names):
    """(name, accuracy) of each class seen after the last task; of each task if the classes are many or unknown."""
    per_class = record.final("per_class_accuracy")
    if per_class is not None and len(per_class) <= MOST_CLASSES:
        return list(zip(record.class_names, per_class, strict=False))
    row = record.accuracy_matrix()[-1, : record.learned]
    return [(f"task {i + 1}: {name}", accuracy) for i, (name, accuracy) in enumerate(zip(names, row, strict=True))]


def _task_names(record):
    """The names of the classes that each task brought, the first two of them: "ant, bee + 8"."""
    tasks = record.tasks[: record.learned]
    if not record.class_names:
        return ["-"] * record.learned
    return [_shortened([str(record.class_names[label]) for label in labels]) for labels in tasks]


def _shortened(names):
    return ", ".join(names[:2]) + (f" + {len(names) - 2}" if len(names) > 2 else "")


def _sizes(record):
    return [(capacity or {}).get("size") for capacity in record.column("capacity")]


def _at(values, index):
    """`values[index]`, or None where there is nothing."""
    return values[index] if values is not None and index < len(values) else None


def _missing(value):
    return value is None or not np.isfinite(value)


def _number(value, about, unit=""):
    """A measure's value; about: its `Description`; unit: behind percents."""
    if about.unit is Unit.PERCENT and isinstance(value, int | float | None):
        return _percent(value, unit)
    return "-" if not isinstance(value, int | float) or _missing(value) else f"{value:.4g}"


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
    """Seconds of one task: the sum of a dict phase -> seconds (or its entry `total`), None of an empty one."""
    return seconds.get("total", sum(seconds.values())) if seconds else None


def duration(seconds):
    """Such as 45.2s, 3m05s, 2h10m."""
    if _missing(seconds):
        return "-"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def _drift(drift, is_frozen):
    """The drift, highlighted if replay was promised to be frozen and is not."""
    if drift is None:
        return "-"
    text = f"{drift:.3g} (largest change of an earlier task's images)"
    return text if drift <= DRIFT_LIMIT or not is_frozen else f"{text} - LEAK: more than {DRIFT_LIMIT:g}"


def _device_difference(difference, is_frozen):
    if not difference:
        return {}
    text = f"{difference:.3g} (images changed when the run went on elsewhere, or in another process on a GPU)"
    leaks = is_frozen and difference > ROUNDING_LIMIT
    return {"device difference": f"{text} - LEAK: more than rounding" if leaks else text}
