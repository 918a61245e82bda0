"""The house rules, read from the code itself: which room may know which, and how large a thing may get."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"
PACKAGE = SOURCE / "holdfast"
DOCUMENT = SOURCE.parent / "docs" / "explanation" / "how-it-is-built.md"

MAY_IMPORT = {
    "base": set(),
    "disk": {"base"},
    "native": set(),
    "model": {"native"},
    "optim": set(),
    "text": {"base", "disk"},
    "tokenizer": {"base", "disk"},
    "vault": {"base", "disk"},
    "feed": {"base", "disk"},
    "journal": {"base", "disk"},
    "train": {"base", "disk", "feed", "vault", "journal"},
    "infer": {"base", "disk", "model", "tokenizer", "vault"},
    "publish": {"base", "disk", "model", "tokenizer", "vault"},
    "evals": {"base", "disk", "tokenizer", "feed", "infer"},
    "stages": {"base", "disk", "native", "model", "optim", "text", "tokenizer", "vault", "feed", "journal"}
    | {"train", "infer", "publish", "evals"},
    "launch": {"base", "disk", "stages"},
    "bench": {"base", "disk", "model", "text", "tokenizer", "vault", "feed", "journal", "train", "infer", "stages"},
    "cli": {"base", "disk", "stages", "launch", "bench", "evals", "infer", "publish", "journal"},
}
WITHOUT_TORCH = ("base", "disk", "text")
LIGHT_ENTRANCE = "holdfast.cli.main"
NO_OWNER = {"utils", "util", "helpers", "helper", "common", "misc"}

FILE_LINES = 400
FUNCTION_LINES = 60
BASE_FILES, BASE_LINES = 9, 900


@dataclass(frozen=True, slots=True)
class Import:
    """One module named by another: where, whether it runs when the file is loaded, whether only types need it."""

    path: Path
    line: int
    target: str
    at_load: bool = True
    type_only: bool = False

    def __str__(self) -> str:
        return f"{self.path.relative_to(SOURCE.parent)}:{self.line} imports {self.target}"


def room(module: str) -> str:
    """`holdfast.vault.store` is in the room `vault`; a file beside the rooms is a room of its own."""
    return module.split(".")[1] if "." in module else ""


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), filename=str(path))


@cache
def imports(module: str) -> tuple[Import, ...]:
    """All that a module of the package names."""
    path = modules()[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return read_imports(tree(path), path, package)


def read_imports(parsed: ast.Module, path: Path, package: str) -> tuple[Import, ...]:
    """Also inside functions, under `if TYPE_CHECKING`, and as a string that is the name of a module of ours."""
    return tuple(dict.fromkeys(_walk(parsed, Import(path, 0, ""), package)))


def _walk(node: ast.AST, around: Import, package: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        here = around
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            here = replace(around, at_load=False)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            here = replace(around, at_load=False, type_only=True)
        elif isinstance(child, ast.Constant):  # a name in quotes is imported when somebody asks for it
            here = replace(around, at_load=False)
        for target in _targets(child, package):
            yield replace(here, line=child.lineno, target=target)
        yield from _walk(child, here, package)


def _targets(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.rsplit(".", node.level - 1)[0] if node.level else ""
        base = ".".join(part for part in (above, node.module) if part)
        for alias in node.names:  # `from holdfast.a import b` names the module a.b, or something inside the module a
            inside = f"{base}.{alias.name}"
            yield inside if inside in modules() else base
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in modules():
        yield node.value  # importlib.import_module("holdfast.a"), python -m holdfast.a


def ours(module: str) -> Iterator[Import]:
    return (found for found in imports(module) if found.target.split(".")[0] == "holdfast")


def test_no_way_of_importing_is_overlooked() -> None:
    source = """
import holdfast.disk.files as files, torch.nn
from holdfast.base import records
from ..base.faults import Fault
if TYPE_CHECKING:
    from holdfast.base.settings import Section
def late():
    from holdfast import base
    import_module("holdfast.base.draws")
"""
    found = read_imports(ast.parse(source), PACKAGE / "evals" / "x.py", "holdfast.evals")
    assert {(each.target, each.line, each.at_load, each.type_only) for each in found} == {
        ("holdfast.disk.files", 2, True, False),
        ("torch.nn", 2, True, False),
        ("holdfast.base.records", 3, True, False),
        ("holdfast.base.faults", 4, True, False),
        ("holdfast.base.settings", 6, False, True),
        ("holdfast.base", 8, False, False),
        ("holdfast.base.draws", 9, False, False),
    }


def test_every_arrow_is_in_the_table() -> None:
    wrong = []
    for module in modules():
        here = room(module)
        if here and here != "__main__" and here not in MAY_IMPORT:
            wrong.append(f"{modules()[module]}: the room {here} is not in the table")
            continue
        allowed = MAY_IMPORT.get(here, {"cli"})  # `python -m holdfast` opens the command line and nothing else
        wrong += [
            f"{found}: {here or 'holdfast'} -> {room(found.target)} is not in the table"
            for found in ours(module)
            if room(found.target) not in allowed | {here, ""}
        ]
    assert not wrong, "\n".join(wrong)


def test_the_table_itself_has_no_circle() -> None:
    order = list(TopologicalSorter(MAY_IMPORT).static_order())
    assert set(order) == set(MAY_IMPORT), "the table names a room that has no row"


def test_the_documented_table_is_this_one() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    above: set[str] = set()
    for name, arrows in rows:
        told = {"nothing": set(), "all above": above}.get(arrows, set(arrows.split(", ")))
        assert told == MAY_IMPORT[name], f"{DOCUMENT.name} tells another story about {name}"
        above = above | {name}
    assert above == set(MAY_IMPORT)


def test_no_circle_of_files_even_by_late_imports() -> None:
    graph = {
        module: {found.target for found in ours(module) if not found.type_only and found.target != module}
        for module in modules()
    }
    graph = {module: {target for target in targets if target in graph} for module, targets in graph.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError("files import each other: " + " <- ".join(error.args[1])) from None


def test_rooms_without_torch_never_name_it() -> None:
    wrong = [
        str(found)
        for module in modules()
        if room(module) in WITHOUT_TORCH
        for found in imports(module)
        if found.target.split(".")[0] == "torch"
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_the_command_line_loads_at_start_imports_torch() -> None:
    reached = {"holdfast": "", LIGHT_ENTRANCE: ""}
    waiting = [name for name in reached if name in modules()]
    while waiting:
        for found in imports(waiting.pop()):
            if not found.at_load:
                continue
            assert found.target.split(".")[0] not in ("torch", "transformers"), f"{found}, on the way from the start"
            parents = [found.target.rsplit(".", cut)[0] for cut in range(found.target.count(".") + 1)]
            new = [name for name in parents if name in modules() and name not in reached]
            reached |= dict.fromkeys(new, str(found))
            waiting += new


def test_base_stays_small() -> None:
    files = [path for path in modules().values() if path.is_relative_to(PACKAGE / "base")]
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in files)
    assert len(files) <= BASE_FILES, f"base/ has {len(files)} files: what belongs to one room moves there"
    assert lines <= BASE_LINES, f"base/ has {lines} lines: what belongs to one room moves there"


def test_files_and_functions_fit_a_reader() -> None:
    long = []
    for path in modules().values():
        name = path.relative_to(SOURCE.parent)
        if (lines := len(path.read_text("utf-8").splitlines())) > FILE_LINES:
            long.append(f"{name} has {lines} lines, at most {FILE_LINES}")
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    long.append(f"{name}:{node.lineno} {node.name} has {lines} lines, at most {FUNCTION_LINES}")
    assert not long, "\n".join(long)


def test_every_file_says_what_it_is_for() -> None:
    silent = [str(path.relative_to(SOURCE.parent)) for path in modules().values() if not ast.get_docstring(tree(path))]
    assert not silent, "no module docstring: " + ", ".join(silent)


def test_every_file_has_an_owner_in_its_name() -> None:
    stray = [str(path.relative_to(SOURCE.parent)) for path in PACKAGE.rglob("*") if path.stem in NO_OWNER]
    assert not stray, "what a file is for is its name: " + ", ".join(stray)
