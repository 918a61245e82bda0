"""What differs between the settings that work was begun with and those that are wanted now, and what that means.

identity     another model, other data, other numbers: what was made under the one is of no use under the other
trajectory   how training goes on from where it is: possible with --allow-change, and then written down
free         changes neither the data nor the mathematics
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from holdfast.base.settings import flat, settings, subsection
from holdfast.stages.recipe import Recipe
from holdfast.stages.stage import Wanted
from holdfast.vault.manifest import Manifest

Kind = Literal["identity", "trajectory", "free"]

# The kind of optimizer is not among them: the state of one is of no use to the other.
TRAJECTORY = re.compile(
    r"budget|(pretrain|sft)\.(steps|epochs|tokens|batch_tokens|clip|schedule\.\w+|optimizer\.(?!kind)\w+)"
)
NOT_RECORDED = "not on record"
_HASH = re.compile(r"[0-9a-f]{32}")
_LONGEST = 60  # letters of a value that are shown


@dataclass(frozen=True, slots=True)
class Change:
    """One setting, or one input, that differs: as it was, and as it is wanted now."""

    setting: str
    old: Any
    new: Any
    kind: Kind

    def __str__(self) -> str:
        return f"{self.setting} {_shown(self.old)} -> {_shown(self.new)} ({self.kind})"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the journal."""
        return asdict(self)


def words(changes: Sequence[Change]) -> str:
    """All of them on one line."""
    return "; ".join(map(str, changes))


def only_trajectory(changes: Sequence[Change]) -> bool:
    """Whether training can go on under them."""
    return all(change.kind == "trajectory" for change in changes)


def between(
    stage: str, record: Mapping[str, Any], wanted: Wanted, unknown: Collection[str] = frozenset()
) -> list[Change]:
    """How `wanted` differs from what a stage's record says it was begun with.

    unknown: inputs whose content is yet to be made, which are left out.
    """
    if not unknown and record["fingerprint"] == wanted.fingerprint:
        return []
    if "settings" not in record:
        return [Change(f"the settings of {stage}", NOT_RECORDED, "known", "identity")]
    found = list(_settings_between(stage, record["settings"], wanted.settings))
    then = record.get("inputs", {})
    for name in sorted((then.keys() | wanted.inputs.keys()) - set(unknown)):
        if then.get(name) != wanted.inputs.get(name):
            found.append(result_of(name, then.get(name, "none"), wanted.inputs.get(name, "none")))
    if not found and not unknown:
        found.append(Change(f"the format of {stage}", "older", "newer", "identity"))
    return found


def result_of(stage: str, old: str, new: str | None) -> Change:
    """What others are made from, by the first letters of its fingerprint; None: it is yet to be made."""
    return Change(f"the result of {stage}", old[:8], "yet to be made" if new is None else new[:8], "identity")


def differing(then: Mapping[str, Any], now: Mapping[str, Any], kind: Kind) -> list[Change]:
    """The names under which two sets of facts differ."""
    names = dict.fromkeys([*then, *now])
    return [Change(each, then.get(each), now.get(each), kind) for each in names if then.get(each) != now.get(each)]


def other_model(manifest: Manifest, model: Mapping[str, Any], tokenizer: str) -> list[Change]:
    """How the model of a checkpoint differs from a network's configuration and the fingerprint of its tokenizer."""
    then = {f"model.{name}": value for name, value in manifest.model.items()}
    now = {f"model.{name}": value for name, value in model.items()}
    theirs, ours = {"tokenizer": manifest.tokenizer_fingerprint}, {"tokenizer": tokenizer}
    return [*differing(then, now, "identity"), *differing(theirs, ours, "identity")]


def free_between(old: Recipe, new: Recipe) -> list[Change]:
    """The settings that differ and change neither the data nor the mathematics."""
    then, now = flat(old), flat(new)
    return [
        Change(setting.path, then[setting.path], now[setting.path], "free")
        for setting in settings(Recipe)
        if setting.free and then[setting.path] != now[setting.path]
    ]


def _settings_between(stage: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    then, now = flattened(old), flattened(new)
    for name in [*now, *(name for name in then if name not in now)]:
        if then.get(name) != now.get(name):
            called = _called(stage, name)
            kind: Kind = "trajectory" if TRAJECTORY.fullmatch(called) else "identity"
            yield Change(called, then.get(name), now.get(name), kind)


def flattened(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Values in groups, each under its dotted path."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        inside = isinstance(value, Mapping) and bool(value)
        found |= flattened(value, f"{above}{name}.") if inside else {above + name: value}
    return found


def _called(stage: str, name: str) -> str:
    """A stage's setting as the recipe calls it: some stages depend on their own section and name no other."""
    section = subsection(Recipe.model_fields[stage]) if stage in Recipe.model_fields else None
    first = name.split(".")[0]
    own = section is not None and first in section.model_fields
    return name if first in Recipe.model_fields and not own else f"{stage}.{name}"


def _shown(value: Any) -> str:
    if isinstance(value, str) and _HASH.fullmatch(value):
        return value[:8]
    text = value if isinstance(value, str) else "off" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
