"""Where recipe values come from: YAML files and `a.b=c` words, laid over each other, each value with its source.

YAML is read as text only: whether `10` is a number, or `no` a country, is for the type of the setting to say and not
for the look of the scalar. A duplicate key is an error, as is an alias that contains itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from holdfast.base.faults import RecipeFault

RESOLVED = "# Resolved recipe"  # first words of a file that carries each value's source in a comment
COMMAND_LINE = "command line"
_SHAPE = "write one `name: value` per line"
_NULLS = ("null", "Null", "NULL", "~")


@dataclass(frozen=True, slots=True)
class Layer:
    """Values by dotted path (text, None, lists of these), where each came from, and on which line if in a file."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def where(self, path: str) -> str:
        """Source of a value, or of the first value below `path`, with its line: `file demo.yaml line 3`."""
        leaf = path if path in self.sources else next((p for p in self.sources if p.startswith(f"{path}.")), None)
        if leaf is None:
            return "default"
        return self.sources[leaf] + (f" line {self.lines[leaf]}" if leaf in self.lines else "")

    def nested(self) -> dict[str, Any]:
        """The values as a tree. A value where other layers have a group wins, so that the type can refuse it."""
        tree: dict[str, Any] = {}
        for path, value in self.values.items():
            *groups, name = path.split(".")
            here: Any = tree
            for group in groups:
                if here.get(group) is None:
                    here[group] = {}
                here = here[group]
                if not isinstance(here, dict):
                    break
            else:
                if not (isinstance(here.get(name), dict) and not value):  # a group with nothing under it adds nothing
                    here[name] = value
        return tree


def from_values(values: Mapping[str, Any], source: str) -> Layer:
    """A layer of values that all have one source."""
    return Layer(dict(values), dict.fromkeys(values, source))


def from_yaml(text: str, name: str, source: str) -> Layer:
    """Read one recipe. `name` is how errors call the file. Raises RecipeFault on bad YAML and on duplicate keys."""
    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise RecipeFault(
            f"{name}{line} is not YAML: {error.problem}", "check indentation, colons and quotes"
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise RecipeFault(f"{name} is not YAML: {type(error).__name__}", "is it really a recipe?") from error
    if root is None:
        return Layer()
    if not isinstance(root, yaml.MappingNode):
        raise RecipeFault(f"{name} holds no settings", _SHAPE)
    layer = Layer()
    comments = _comments(text) if text.startswith(RESOLVED) else {}
    for path, value, number in _leaves(root, name, ()):
        if path in layer.values:
            raise _twice(name, number, path, layer.lines.get(path))
        layer.values[path] = value
        layer.sources[path] = comments.get(number, source)
        if number not in comments:
            layer.lines[path] = number
    return layer


def from_words(words: Sequence[str]) -> Layer:
    """Overrides as people type them: `pretrain.steps=200`, `sft.path=[a.jsonl, b.jsonl]`, `budget=null`."""
    layer = Layer()
    for word in words:
        path, equals, text = word.partition("=")
        path = path.strip().lstrip("-").replace("-", "_")
        if not equals or not path:
            raise RecipeFault(f"{word!r} is not a setting", "write setting=value, such as pretrain.steps=200")
        if not text.strip():
            raise RecipeFault(f"{path} is given no value", f"write {path}=value, or {path}=null to switch it off")
        if path in layer.values:
            raise RecipeFault(f"{path} is given twice on the command line", "keep one of the two")
        layer.values[path] = _word_value(text.strip())
        layer.sources[path] = COMMAND_LINE
    return layer


def merge(layers: Sequence[Layer], replaces: Mapping[str, Sequence[str]]) -> Layer:
    """Lay each layer over the one before.

    replaces: settings that stand in for others. Where a layer gives the key and not the others, what earlier layers
    said of the others is set aside: a later `corpus.path` replaces an earlier `corpus.generator`.
    """
    merged = Layer()
    for layer in layers:
        for path in layer.values:
            for other in replaces.get(path, ()) if layer.values[path] is not None else ():
                if other not in layer.values and merged.values.get(other) is not None:
                    merged.values[other] = None
                    merged.sources[other] = f"set aside for {path}"
                    merged.lines.pop(other, None)
        for path, value in layer.values.items():
            merged.values[path] = value
            merged.sources[path] = layer.sources[path]
            merged.lines.pop(path, None)
        merged.lines.update(layer.lines)
    return merged


def _word_value(text: str) -> Any:
    if text in _NULLS:
        return None
    if text[0] not in "[\"'":
        return text
    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError:
        return text
    return text if node is None else _plain(node, "the command line", ())


def _leaves(node: yaml.MappingNode, name: str, groups: tuple[str, ...]) -> Iterator[tuple[str, Any, int]]:
    """(dotted path, value, line) of everything under a mapping; a dotted key is the same as nested ones."""
    if len(groups) > 20:
        raise RecipeFault(f"{name}: {'.'.join(groups[:3])}... is nested too deeply", "settings are two or three deep")
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or not key.value:
            raise RecipeFault(f"{name} line {line}: a setting's name must be a word", _SHAPE)
        path = ".".join((*groups, key.value))
        if key.value in seen:
            raise _twice(name, line, path, seen[key.value])
        seen[key.value] = line
        if isinstance(value, yaml.MappingNode) and value.value:
            yield from _leaves(value, name, (*groups, key.value))
        else:
            yield path, _plain(value, name, ()), line


def _twice(name: str, line: int, path: str, first: int | None) -> RecipeFault:
    return RecipeFault(f"{name} line {line}: {path} is given twice, first on line {first}", "keep one of the two")


def _plain(node: yaml.Node, name: str, around: tuple[yaml.Node, ...]) -> Any:
    if node in around:
        raise RecipeFault(f"{name} line {node.start_mark.line + 1}: an alias contains itself", "write the list out")
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, name, (*around, node)) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _plain(value, name, (*around, node)) for key, value in node.value}
    bare = isinstance(node, yaml.ScalarNode) and node.style is None
    return None if bare and (node.value in _NULLS or not node.value) else node.value


def _comments(text: str) -> dict[int, str]:
    """The source that a resolved recipe notes behind each value, by line."""
    lines = enumerate(text.splitlines(), start=1)
    return {number: line.rsplit("  # ", 1)[1].strip() for number, line in lines if "  # " in line}
