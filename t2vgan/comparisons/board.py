"""The leaderboard of a study: on the terminal, as json, as markdown and as one html page that stands alone."""

from __future__ import annotations

import html
import json
import math
import re
import sys
from pathlib import Path
from typing import Any

from t2vgan import assemble
from t2vgan.comparisons import plots
from t2vgan.comparisons.measure import MEAN
from t2vgan.comparisons.results import Results
from t2vgan.comparisons.rows import FD, Row, attributes, prices_of, table, verdict
from t2vgan.comparisons.run import RUNS, how_many
from t2vgan.comparisons.study import Question, Study
from t2vgan.reports import page
from t2vgan.reports.figures import plain
from t2vgan.system import written_whole

PICTURES = Path("docs") / "pictures"
WIDE = 150  # characters of a terminal that holds the whole table
NARROW = ("arm", "seeds", "normalised accuracy", "fd_probe", "accuracy, equal s", "fd_probe, equal s", "clips/s")


def header(names: list[str]) -> list[str]:
    return [
        "arm", "seeds", "rate", "normalised accuracy", "fd_probe", *names, "all correct", "accuracy, equal s",
        "fd_probe, equal s", "clips/s", "generator", "critics", "latency ms", "peak MB",
    ]  # fmt: skip


def cells(row: Row, names: list[str]) -> list[str]:
    f = row.figures
    return [
        row.arm,
        f"{len(row.seeds)}" + (f", {row.diverged} diverged" if row.diverged else ""),
        f"x {row.factor:g}",
        *(str(f[name]) if name in f else "" for name in (MEAN, FD, *(f"normalised/{n}" for n in (*names, "all")))),
        str(row.cheap[MEAN]),
        str(row.cheap[FD]),
        str(row.clips_per_s),
        f"{row.parameters['generator']:,}",
        f"{row.parameters['critics']:,}",
        str(row.latency_ms),
        "" if math.isnan(row.peak_mb) else f"{row.peak_mb:.0f}",
    ]


def tables(rows: list[Row], names: list[str]) -> str:
    """Quality at equal clips; quality at equal seconds, and costs: two tables, for one would not fit a page."""
    lines = [header(names), *(cells(row, names) for row in rows)]
    first = 6 + len(names)  # columns of the first one
    left, right = [line[:first] for line in lines], [line[:1] + line[first:] for line in lines]
    return "".join(page.table(each[0], each[1:]) for each in (left, right))


def write(study: Study, results: Results, *, pictures: Path = PICTURES) -> list[Path]:
    """leaderboard.json, .md and .html in the study's folder of results; a picture of each question, or of all arms.

    ValueError while no arm has a finished seed.
    """
    rows, seconds = table(study, results)
    if not rows:
        raise ValueError(f"{results.folder}: no arm of {study.folder} has a finished seed yet: nothing to report")
    names, said = attributes(rows), protocol(study, results, rows, seconds)
    told = verdict(rows, study.baseline)
    written = [results.folder / f"leaderboard.{kind}" for kind in ("json", "md", "html")]
    content = {
        "study": study.name,
        "trainings": {"finished": sum(len(r.seeds) for r in rows), "of": len(study.arms) * len(study.seeds)},
        "equal_seconds": seconds,
        "verdict": told,
        "rows": [as_json(row) for row in rows],
    }
    for path, text in zip(
        written,
        (
            json.dumps(plain(content), indent=1) + "\n",
            markdown(study, rows, names, told, said),
            page_of(study, results, rows, names, told, said),
        ),
        strict=True,
    ):
        with written_whole(path) as part:
            part.write_text(text)
    shown = {f"{study.name}_{question.name}": rows_of(question, rows) for question in study.questions}
    for name, asked in (shown or {study.name: rows}).items():
        if len(asked) > 1:
            drawn = plots.figure(asked, baseline=study.baseline)
            written.append(plots.save(drawn, pictures / f"{name}.png"))
    return written


def as_json(row: Row) -> dict[str, Any]:
    def flat(estimates: dict[str, Any]) -> dict[str, Any]:
        return {name: {"mean": e.mean, "half": e.half} for name, e in estimates.items()}

    return {
        "arm": row.arm,
        "seeds": list(row.seeds),
        "rate_factor": row.factor,
        "test": flat(row.figures),
        "heldout": flat(row.heldout),
        "at_equal_seconds": flat(row.cheap),
        "clips_per_s": {"mean": row.clips_per_s.mean, "half": row.clips_per_s.half},
        "seconds": row.seconds,
        "latency_ms": {"mean": row.latency_ms.mean, "half": row.latency_ms.half},
        "peak_mb": row.peak_mb,
        "parameters": row.parameters,
        "commits": list(row.commits),
    }


def rows_of(question: Question, rows: list[Row]) -> list[Row]:
    """In the order in which the question names them."""
    by_name = {row.arm: row for row in rows}
    return [by_name[arm] for arm in question.arms if arm in by_name]


def protocol(study: Study, results: Results, rows: list[Row], seconds: int | float) -> str:
    """What was done, in words."""
    prices = prices_of(study, results, [row.arm for row in rows])
    base = study.experiment(rows[0].arm)
    factors = ", ".join(f"{f:g}" for f in study.search.factors)
    part = "to the end" if study.whole_searches else f"for {study.search.share:g} of its clips"
    last = study.search.last
    lasting = f"the mean of the last {last} validations" if last > 1 else "the last validation"
    further = f" (where the best is at the end of these, up to {study.search.beyond} further)" * (
        study.search.beyond > 0
    )
    search = (
        f"Rates: every arm was first trained {part} at {factors} times its own rates{further}, "
        f"seed {base.seed}; the best by {study.search.metric} in {lasting} is used for all seeds"
        f"{', and counts as the training of that seed' * study.whole_searches}. "
        if len(study.search.factors) > 1
        else ""
    )
    equal = (
        f"Equal seconds: what an arm's validations were when training had taken {seconds:.0f} s, the whole training of "
        "the cheapest arm. "
    )
    return (
        f"{base.clips:,} clips for every arm, seeds {', '.join(map(str, study.seeds))}; mean ± half of the 95 % "
        f"interval over seeds (Student's t). Accuracies are (accuracy - floor) / (ceiling - floor) on test. {search}"
        f"{'' if math.isnan(seconds) else equal}{costs(prices, rows)} Latency: one clip on one thread."
    )


def costs(prices: dict[str, Any], rows: list[Row]) -> str:
    """How seconds, memory and latency were had."""
    if not prices:
        where = sorted({machine for row in rows for machine in row.machines})
        if len(where) > 1:
            return f"Seconds, memory and latency are left out: the trainings ran on {' and '.join(where)}."
        return (
            f"Seconds are those of training alone, of all threads, or on the clock of a GPU ({where[0]}). Memory: that "
            "of the GPU, else resident, of a training process."
        )
    where = "; ".join(sorted({f"{p['machine']['device']}, commit {shortly(p['commit'])}" for p in prices.values()}))
    return (
        "Seconds, clips per second, latency and memory are prices: each arm's rounds of training, measured alone on "
        f"one thread of a processor ({where}), times the clips seen; training itself ran where the jsons say. Memory: "
        "resident, of a training process."
    )


def shortly(commit: str) -> str:
    """`1a2b3c4d`, and whether there were changes beside it."""
    return commit[:8] + "+changes" * commit.endswith("+changes")


def markdown(study: Study, rows: list[Row], names: list[str], told: list[str], said: str) -> str:
    head = header(names)
    lines = [f"# {study.title}", "", study.note, "", *(f"- {line}" for line in told), ""]
    lines += [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(cells(row, names))} |" for row in rows]
    lines += ["", said, ""]
    for question in study.questions:
        if asked := rows_of(question, rows):
            lines += [f"## {question.ask}", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
            lines += [*(f"| {' | '.join(cells(row, names))} |" for row in asked), ""]
            lines += [*(f"- {line}" for line in verdict(asked, study.baseline)), ""]
    lines += ["## What each arm is", ""]
    lines += [f"- **{row.arm}**: {' '.join([about(study, row.arm), *deviations(study, row.arm)])}" for row in rows]
    lines += ["", "Made by", "", "```", command(study), "```", ""]
    return "\n".join(lines)


def command(study: Study) -> str:
    """With those overrides that change a result."""
    told = study.changing()
    return " ".join([f"python -m t2vgan.compare {study.folder.as_posix()}", *told])


def page_of(study: Study, results: Results, rows: list[Row], names: list[str], told: list[str], said: str) -> str:
    done, of = sum(len(row.seeds) for row in rows), len(study.arms) * len(study.seeds)
    unfinished = "" if done == of else f"{of - done} of {of} runs are not finished: the ranking may change."
    parts = [
        page.note(study.note),
        page.warning(unfinished),
        page.section("Who leads", *(page.note(line) for line in told)),
        page.section("Leaderboard", tables(rows, names), note=said),
        page.section("As they learn", plots.embedded(plots.figure(rows, baseline=study.baseline), "curves")),
        page.section("Attribute by attribute", plots.bars(rows, names) if names else ""),
        *(asked(study, question, rows, names) for question in study.questions),
        page.section("What each arm is", descriptions(study, rows)),
        page.section("What they show", *(f"<h3>{html.escape(row.arm)}</h3>{sheet(results, row)}" for row in rows)),
        page.section("Again", f"<pre>{html.escape(command(study))}</pre>"),
    ]
    return page.page(study.title, parts)


def asked(study: Study, question: Question, rows: list[Row], names: list[str]) -> str:
    found = rows_of(question, rows)
    if not found:
        return page.section(question.ask, page.note("No arm of it is finished yet."))
    drawn = plots.embedded(plots.figure(found, baseline=study.baseline), question.ask) if len(found) > 1 else ""
    told = [page.note(line) for line in verdict(found, study.baseline)]
    return page.section(question.ask, tables(found, names), *told, drawn)


def descriptions(study: Study, rows: list[Row]) -> str:
    found = [[row.arm, about(study, row.arm), " ".join(deviations(study, row.arm))] for row in rows]
    return page.table(["arm", "what it is", "deviations"], found, plain=True)


def about(study: Study, arm: str) -> str:
    """The comment that its YAML begins with, without the line that says how to run it."""
    comment = re.match(r"(#.*\n)*", study.arms[arm].read_text())
    said = [line.lstrip("# ") for line in comment.group().splitlines()] if comment else []
    return " ".join(line for line in said if not line.startswith("Run:"))


def deviations(study: Study, arm: str) -> list[str]:
    """The paragraphs `Deviations: ...` of the modules that generator and critics are defined in."""
    found = []
    for name in assemble.modules_of(study.experiment(arm)):
        said = re.search(r"Deviations: (.+?)(?:\n\n|\Z)", sys.modules[name].__doc__ or "", re.DOTALL)
        if said:
            found.append(f"{name.split('.', 1)[1]}: {' '.join(said[1].split())}")
    return found


def sheet(results: Results, row: Row) -> str:
    """The newest sheet of samples of the arm's first run, which may be another study's, where it is still there."""
    whole = [f"{row.arm}.search-{row.factor:g}"] if results.study.whole_searches else []
    runs = [RUNS / results.seeds(row.arm)[0]["study"] / name for name in (f"{row.arm}.seed{row.seeds[0]}", *whole)]
    drawn = [path for run in runs for path in sorted((run / "samples").glob("*.png"))]
    if not drawn:
        return page.note("Its runs are not on this machine.")
    content = drawn[-1].read_bytes()
    return page.inside(f"samples of {row.arm}", lambda memory: memory.write(content))


def show(study: Study, results: Results) -> None:
    """The table on the terminal, with what is still to be done."""
    from rich.console import Console

    from t2vgan.reports.table import table as terminal_table

    console = Console()
    rows, seconds = table(study, results)
    names = attributes(rows)
    if rows:
        shown = [header(names), *(cells(row, names) for row in rows)]
        if console.width < WIDE:  # the page has the rest
            kept = [i for i, name in enumerate(shown[0]) if name in NARROW]
            shown = [[line[i] for i in kept] for line in shown]
        console.print(terminal_table(study.title, shown[0], shown[1:]))
        for line in verdict(rows, study.baseline):
            console.print(line)
        if not math.isnan(seconds):
            console.print(f"equal s: {seconds:.0f} s of training")
    states = [[arm, *state(study, results, arm)] for arm in study.arms]
    console.print(
        terminal_table(f"{study.name}: {how_many(study, results)} trainings", ["arm", "search", "seeds"], states)
    )


def state(study: Study, results: Results, arm: str) -> tuple[str, str]:
    searches = results.searches(arm)
    over = sum(results.of(job) is not None for job in searches)
    factor = results.factor(arm)
    said = f"{over} of {len(searches)}" if factor is None else f"x {factor:g}"
    return said, f"{len(results.seeds(arm))} of {len(study.seeds)}"
