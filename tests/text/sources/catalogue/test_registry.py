"""Lists of sources: those that are shipped, and the user's laid over them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.base.faults import RecipeFault
from holdfast.text.sources.catalogue.registry import USER_FOLDER, Registry, load, usable

MINE = """\
about: My texts.
defaults: {licence: CC0-1.0, kind: local}
sources:
  letters: {name: Letters, path: letters, period: 1800-1810, place: Leeds}
  pepys-diary:
    priority: low
    max_items: 1
"""


@pytest.fixture
def listed(tmp_path: Path) -> Callable[[str], Registry]:
    """The registry with a list of this text."""

    def made(text: str) -> Registry:
        path = tmp_path / "mine.yaml"
        path.write_text(text, "utf-8")
        return load([str(path)])

    return made


def faults(listed: Callable[[str], Registry], text: str) -> list[str]:
    with pytest.raises(RecipeFault) as caught:
        listed(text)
    return [f"{fault.cause} / {fault.remedy}" for fault in getattr(caught.value, "faults", (caught.value,))]


def test_a_users_list_adds_and_changes(listed: Callable[[str], Registry]) -> None:
    shipped = load()
    mine = listed(MINE.replace(", kind: local", "").replace("path: letters", "path: letters, kind: local"))
    assert len(mine) == len(shipped) + 1
    assert mine["letters"].entry.licence == "CC0-1.0"
    assert (mine["letters"].origin, mine["letters"].changes) == ("mine.yaml", ())
    pepys = mine["pepys-diary"]
    assert pepys.entry.ids == shipped["pepys-diary"].entry.ids
    assert (pepys.entry.priority, pepys.entry.max_items) == ("low", 1)
    assert pepys.changes == ("licence", "priority", "max_items")
    assert not shipped["pepys-diary"].changes


def test_a_users_kind_replaces_the_whole(listed: Callable[[str], Registry]) -> None:
    text = "sources: {pepys-diary: {name: My Pepys, kind: local, path: pepys.txt, licence: CC0-1.0}}"
    entry = listed(text)["pepys-diary"].entry
    assert (entry.path, entry.ids, entry.period) == ("pepys.txt", [], None)


def test_lists_in_the_users_folder_are_always_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.yaml").write_text("sources: {mine: {name: Mine, kind: local, path: x, licence: CC0-1.0}}")
    (tmp_path / "notes.txt").write_text("not a list")
    monkeypatch.setenv(USER_FOLDER, str(tmp_path))
    assert load()["mine"].origin == "one.yaml"
    monkeypatch.setenv(USER_FOLDER, str(tmp_path / "none"))
    with pytest.raises(RecipeFault, match="which is no folder"):
        load()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sources: {a: {name: A, kind: local, path: x, licnce: CC0}}", "did you mean licence?"),
        ("sources: {a: {name: A, kind: local, path: x, license: MIT}}", "here it is called licence"),
        ("sources: {a: {name: A, kind: lokal, path: x, licence: MIT}}", "did you mean local?"),
        ("sources: {a: {name: A, kind: local, path: x, licence: MIT, period: 1850-1500}}", "ends before it begins"),
        ("sources: {a: {name: A, kind: gutenberg, licence: MIT}}", "kind gutenberg needs ids or words"),
        ("sources: {a: {name: A, kind: local, path: x, licence: MIT, ids: [1]}}", "kind local does not use it"),
        ("sources: {a: {licence: MIT}}", "source a: name has no value"),
        ("sources:\n  a: {name: A}\n  a: {name: B}\n", "is given twice, first on line 2"),
        ("source: {a: {name: A}}", "did you mean sources?"),
        ("sources: {Ä b: {name: A}}", "can not be an id"),
        ("sources: nonsense", "sources holds no fields"),
        ("- a\n- b\n", "holds no settings"),
        ("sources: [", "is not YAML"),
    ],
)
def test_what_is_wrong_with_a_list_is_said(listed: Callable[[str], Registry], text: str, said: str) -> None:
    assert any(said in fault for fault in faults(listed, text))


def test_all_faults_come_at_once(listed: Callable[[str], Registry]) -> None:
    assert len(faults(listed, "sources: {a: {name: A}, b: {name: B}}")) == 4  # no licence and no kind, twice


def test_empty_lists_are_lists(listed: Callable[[str], Registry]) -> None:
    for text in ("", "sources:\n", "about: Nothing.\ndefaults: {}\nsources: {}\n"):
        assert len(listed(text)) == len(load())


def test_an_id_in_two_files_is_an_error(tmp_path: Path) -> None:
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text("sources: {mine: {name: Mine, kind: local, path: x, licence: CC0-1.0}}")
    with pytest.raises(RecipeFault, match=r"source mine is described in one.yaml and again in two.yaml"):
        load([str(tmp_path / "one.yaml"), str(tmp_path / "two.yaml")])


def test_a_list_that_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"about: caf\xe9")
    for name in ("none.yaml", "latin.yaml", "."):
        with pytest.raises(RecipeFault, match="can not be read"):
            load([str(tmp_path / name)])


def test_names_that_do_not_exist_are_all_told(listed: Callable[[str], Registry]) -> None:
    with pytest.raises(RecipeFault) as caught:
        load().named(["pepys-diary", "peyps-diary", "qqqqqq"])
    assert [fault.remedy for fault in caught.value.faults] == [  # type: ignore[attr-defined]
        "did you mean pepys-diary?",
        "`holdfast sources list` shows them all",
    ]
    assert [source.id for source in load().named(["stow-survey", "pepys-diary", "stow-survey"])] == [
        "stow-survey",
        "pepys-diary",
    ]


def test_a_pattern_stands_for_what_is_enabled() -> None:
    shipped = load()
    found = shipped.named(["ia-*", "ia-plague", "old-bailey"])
    assert [source.id for source in found[:-1]] == [id for id in shipped if id.startswith("ia-")]
    assert found[-1].id == "old-bailey"
    assert "old-bailey" not in [source.id for source in shipped.named(["*"])]
    usable(shipped.named(["*"]))
    with pytest.raises(RecipeFault, match=r"there is no source zz\*"):
        shipped.named(["zz*"])


def test_what_is_off_is_refused_until_it_is_switched_on(listed: Callable[[str], Registry]) -> None:
    with pytest.raises(RecipeFault) as caught:
        usable(load().named(["old-bailey", "pepys-diary", "smoltalk"]))
    first, second = caught.value.faults  # type: ignore[attr-defined]
    assert "make a small model repeat records" in first.cause
    assert "sources: {old-bailey: {enabled: true}}" in first.remedy
    assert "conversations" in second.cause
    usable(listed("sources: {old-bailey: {enabled: true}}").named(["old-bailey"]))
