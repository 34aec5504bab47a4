"""Formats of a comparison: Markdown, CSV, LaTeX, JSON, and a short table for a terminal."""

import csv
import io

from rich import box
from rich.table import Table
from rich.text import Text

from dgm_tf.compare.suite import ACCURACY
from dgm_tf.report.tables import byte_text, duration
from dgm_tf.text import latex as latex_text
from dgm_tf.text import markdown as markdown_text
from dgm_tf.text import shown

KEPT = ("kept of images", "pretrained")
METRIC_NAMES = {ACCURACY: "accuracy", "gan_test": "GAN-test"}
LEGEND = (
    "Percent: mean ± standard deviation over seeds (± half of the 95 % interval of the mean, Student's t). A_k: mean "
    "accuracy over the first k classes on real test images, class-incremental. Published scores are accuracies or "
    "GAN-test (of generated images, by a classifier trained on real ones) and compare only with what stands as ours, "
    "measured so, by the last epoch. Remembered: bytes kept to learn the next task with, the classifier left out; "
    "DGM's with the free units that its generator has grown. Kept of images: the most that is kept of earlier ones. "
    "Pretrained: whether a part was trained on other images. Parameters: trainable weights of all networks kept. Time: "
    "of learning all tasks, measuring left out; it depends on what else the machine did."
)


def headers_and_rows(comparison, interval=True, text=shown):
    """Returns the table as strings, (headers, rows). "[n]" refers to the n-th remark.

    interval: whether it is shown; text: what makes a label fit for where it is printed.
    """
    scores = comparison["scores"]
    published = [score for score in scores if any(score in row["published"] for row in comparison["rows"])]
    headers = ["method", "seeds", *scores]
    if published:
        headers += [*(f"published {score}" for score in published), "published as"]
        headers += [f"ours so, {score}" for score in published]
    headers += [_title(entry) for entry in comparison["measures"].values()]
    headers += [*KEPT, "remembered", "of which", "parameters", "time"]
    marks = _marks(comparison)
    spread = _with_interval if interval else _with_deviation
    rows = [row | {"label": text(row["label"])} for row in comparison["rows"]]
    measures = comparison["measures"]
    return headers, [_cells(row, scores, published, measures, marks[row["name"]], spread) for row in rows]


def _title(description):
    """Title of a measure, with the better direction."""
    arrow = {"higher": " ↑", "lower": " ↓"}.get(description["better"], "")
    return description["title"] + arrow


def remarks(comparison):
    """All remarks, in the order of their numbers."""
    return [remark["text"] for row in comparison["rows"] for remark in row["remarks"]]


def _marks(comparison):
    """Row name -> score (None: the row itself) -> " [1] [2]"."""
    marks: dict[str, dict[str | None, str]] = {}
    number = 0
    for row in comparison["rows"]:
        mine = marks.setdefault(row["name"], {})
        for remark in row["remarks"]:
            number += 1
            score = remark["score"] if remark["score"] in row["scores"] else None
            mine[score] = f"{mine.get(score, '')} [{number}]"
    return marks


def _cells(row, scores, published, measures, marks, spread):
    cells = [row["label"] + marks.get(None, ""), str(len(row["seeds"]))]
    cells += [spread(row["scores"][score]) + marks.get(score, "") for score in scores]
    if published:
        cells += [_number(row["published"].get(score)) for score in published]
        cells.append(METRIC_NAMES[row["metric"]] if row["published"] else "-")
        cells += [spread(row["same_metric"].get(score)) for score in published]
    cells += [spread(row["measured"].get(name)) for name in measures]
    parts = row["memory_bytes"]
    known = row["seconds"] is not None  # a run has ended
    return cells + [
        *_kept(row["what_is_kept"]),
        byte_text(sum(parts.values())) if parts else "0" if known else "-",
        ", ".join(f"{name} {byte_text(size)}" for name, size in parts.items()) or "-",
        "-" if row["parameters"] is None else f"{row['parameters']:,.0f}",
        duration(row["seconds"]),
    ]


def _kept(found):
    """Cells of what is kept of images: in words, and whether it was pretrained."""
    return ("-", "-") if found is None else (found["of images"], "yes" if found["pretrained"] else "no")


def _number(value):
    return "-" if value is None else f"{value:.2f}"


def _with_deviation(found):
    if found is None or found["sd"] is None:
        return _number(found and found["mean"])
    return f"{found['mean']:.2f} ± {found['sd']:.2f}"


def _with_interval(found):
    text = _with_deviation(found)
    return f"{text} (± {found['mean'] - found['low']:.2f})" if found and found["sd"] is not None else text


def markdown(comparison):
    """A Markdown document: title, table, remarks, notes, legend."""
    headers, rows = headers_and_rows(comparison, text=markdown_text)
    lines = [f"# {markdown_text(comparison['title'])}", ""] if comparison["title"] else []
    marks = ["---", *("---:" for _ in headers[1:])]
    cells = [headers, marks, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    lines += [f"| {' | '.join(row)} |" for row in cells]
    numbered = [f"[{i}] {markdown_text(text)}  " for i, text in enumerate(remarks(comparison), 1)]
    notes = [f"{row['label']}: {row['note']}" for row in comparison["rows"] if row["note"]]
    notes = [f"{markdown_text(note)}  " for note in notes]
    for paragraph in (numbered, notes, [LEGEND]):
        lines += ["", *paragraph] if paragraph else []
    return "\n".join(lines) + "\n"


def latex(comparison):
    """A LaTeX table for the package booktabs, with the accuracies and the published scores."""
    headers, rows = headers_and_rows(comparison)
    kept = [i for i, header in enumerate(headers) if header != "of which"]
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{latex_text(comparison['title'])}}}",
        f"\\begin{{tabular}}{{l{'r' * (len(kept) - 1)}}}",
        "\\toprule",
        _tex_row([headers[i] for i in kept]),
        "\\midrule",
        *(_tex_row([row[i] for i in kept]) for row in rows),
        "\\bottomrule",
        "\\end{tabular}",
        *(f"\\par\\footnotesize {latex_text(f'[{i}] {text}')}" for i, text in enumerate(remarks(comparison), 1)),
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _tex_row(cells):
    cells = [f"{{{latex_text(cell)}}}" for cell in cells]  # braces: a "[" after \\ would be an option
    return " & ".join(cells) + " \\\\"


def csv_table(comparison):
    """CSV with one line for each row: every score with n, mean, sd and the ends of the interval."""
    lines = []
    for row in comparison["rows"]:
        line = {"method": row["name"], "label": row["label"], "seeds": len(row["seeds"])}
        for score in comparison["scores"]:
            line |= _flat(score, row["scores"][score])
            line[f"{score} published"] = row["published"].get(score)
            line |= _flat(f"{score} as published", row["same_metric"].get(score))
        line["published as"] = row["metric"] if row["published"] else None
        for name in comparison["measures"]:
            line |= _flat(name, row["measured"].get(name))
        kept = row["what_is_kept"] or {}
        line |= {"kept_of_images": kept.get("of images"), "pretrained": kept.get("pretrained")}
        line["memory_bytes"] = sum(row["memory_bytes"].values()) if row["seconds"] is not None else None
        line |= {f"memory_bytes {name}": size for name, size in row["memory_bytes"].items()}
        line |= {"parameters": row["parameters"], "seconds": row["seconds"]}
        line["remarks"] = "; ".join(remark["text"] for remark in row["remarks"])
        lines.append(line)
    return _csv(lines)


def csv_runs(comparison):
    """CSV with one line for each run: method, seed, state, A_k for every k, and the rest."""
    lines = []
    for row in comparison["rows"]:
        for run in row["runs"]:
            rest = {key: value for key, value in run.items() if key != "accuracy"}
            lines.append({"method": row["name"]} | rest | run.get("accuracy", {}))
    return _csv(lines)


def _flat(name, found):
    parts = ("n", "mean", "sd", "low", "high")
    return {f"{name} {part}": (found or {}).get(part) for part in parts}


def _csv(lines):
    names = list(dict.fromkeys(name for line in lines for name in line))
    file = io.StringIO()
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue()


class _Fitting:
    """The first of some tables that is no wider than what it is printed on, else the last."""

    def __init__(self, *tables):
        self._tables = tables

    def __rich_console__(self, console, options):
        *wide, last = self._tables
        unbounded = options.update(max_width=10_000)
        fitting = (table for table in wide if console.measure(table, options=unbounded).maximum <= options.max_width)
        yield next(fitting, last)


def terminal_table(comparison):
    """Returns the columns that fit a terminal, as a `rich` renderable: what is kept of images where there is room."""
    left_out = ("seeds", "of which", "parameters")
    return _Fitting(_terminal_table(comparison, left_out), _terminal_table(comparison, (*left_out, *KEPT)))


def _terminal_table(comparison, left_out):
    headers, rows = headers_and_rows(comparison, interval=False)
    shown_ones = [i for i, header in enumerate(headers) if header not in left_out]
    table = Table(title=Text(shown(comparison["title"])), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for i in shown_ones:
        table.add_column(Text(headers[i]), justify="right" if i else "left")
    for row in rows:
        table.add_row(*(Text(shown(row[i])) for i in shown_ones))
    return table
