"""Which clean texts are left out, and that today's clean texts are not."""

from pathlib import Path
from typing import get_args

import pytest

from holdfast.base.records import Document
from holdfast.text.gates import judge
from holdfast.text.gates.language import FUNCTION_WORDS, language
from holdfast.text.gates.measures import SAMPLE_CHARACTERS, advertising, meaningful, repeated, sample
from holdfast.text.gates.noise import LIMITS, noise
from holdfast.text.gates.settings import GateSettings, Language

PROSE = """It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of
foolishness, it was the epoch of belief, and we had everything before us. There were a king with a large jaw and
a queen with a plain face, on the throne of England; there were a king and a queen with a fair face, on the
throne of France. In both countries it was clearer than crystal to the lords of the State preserves of loaves and
fishes, that things in general were settled for ever. Mr. Smith, who lived at No. 5, did not think so.
"""
EARLY = """Fyrst the sayd Robert dyd saye vnto hym that hee wolde not goe with them, for hee had sene the Kyng and all
his men vpon the hyll, and they were redy to fyght; and whan they herde this they were sore afrayde, and
thought to haue fled, yf theyr maister had not ben with them in that houre. And so in the morowe they came
vnto the citie of London, wherof all the people were glad."""
FRENCH = (
    "Il y avait dans le pays de Westphalie un jeune garçon à qui la nature avait donné les mœurs les plus douces, et "
    * 3
)
GERMAN = (
    "Es war einmal ein König, der hatte eine Tochter, und die war so schön, dass sich die Sonne selber wunderte. " * 3
)
LATIN = (
    "Gallia est omnis divisa in partes tres, quarum unam incolunt Belgae, et aliam qui ipsorum lingua Celtae sunt. " * 3
)
HISTORICAL = GateSettings(preset="historical")


def why(text: str, settings: GateSettings | None = None, **meta: object) -> str | None:
    found = judge(Document("a", text, meta), settings or GateSettings())
    return found.why if found else None


def test_without_a_word_in_the_recipe_only_empty_texts_are_left_out() -> None:
    assert why(" \n\t ") == why("") == "empty"
    for text in ("x", "^~^", "sold by all " * 50, "Ce texte n'est pas anglais."):
        assert why(text) is None
    assert why("x", licence="CC-BY-NC-4.0", year=1066) is None


def test_the_numbers_of_a_text() -> None:
    assert why("short", GateSettings(min_chars=10)) == "too short: 5 of 10 characters"
    assert why("one two", GateSettings(min_words=3)) == "too few words: 2 of 3"
    assert why("one\n\n \ntwo", GateSettings(min_lines=3)) == "too few lines: 2 of 3"
    assert why("one\n\n \ntwo", GateSettings(min_lines=2, min_words=2, min_chars=9)) is None
    short = judge(Document("a", "short"), GateSettings(min_chars=10))
    assert short is not None
    assert (short.reason, short.preview) == ("too short", "short")


@pytest.mark.parametrize("text", [PROSE, EARLY], ids=["prose", "early modern"])
def test_the_preset_takes_what_it_is_for(text: str) -> None:
    assert why(text.replace(", ", ",\n"), HISTORICAL) is None
    assert noise(text) == {}
    assert language(text)[0] == "en"


def test_the_preset_and_what_a_recipe_says_beside_it() -> None:
    assert why("x" * 199, HISTORICAL) == "too short: 199 of 200 characters"
    assert why("x" * 199, GateSettings(preset="historical", min_chars=1)) == "too few words: 1 of 50"
    eased = GateSettings(preset="historical", min_chars=0, min_words=0, min_lines=0, languages=[])
    assert why("x" * 199, eased) is None


def test_meaning() -> None:
    assert meaningful(PROSE) == meaningful("你好, Zwölf – “so”…") == 1.0
    assert meaningful("^^^^xxxx") == 0.5
    assert why("^^^^^xxxx", GateSettings(min_meaningful=0.5)) == (
        "too little meaning: 44% letters, digits, space and punctuation of 50%"
    )


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("stray symbols", "^~"),
        ("symbols in words", "th^e"),
        ("digits in words", "w0rd"),
        ("capitals in words", "thAt"),
        ("lone letters", "q"),
        ("words without vowels", "xkcdq"),
        ("unreadable characters", "\ufffd"),
    ],
)
def test_each_kind_of_noise_is_told_from_the_others(kind: str, word: str) -> None:
    words = PROSE.split()
    share = 2 * LIMITS[kind]
    dirty = " ".join(
        f"{each} {word}" if number % round(1 / share) == 0 else each for number, each in enumerate(words * 9)
    )
    assert list(noise(dirty)) == [kind]
    assert why(dirty, GateSettings(max_noise_kinds=0)) is not None
    assert why(dirty, GateSettings(max_noise_kinds=1)) is None


def test_a_page_that_no_machine_could_read() -> None:
    page = "tlie ^ h»use  w|th|n th~ rn \ufffd0ne f0r q k thE xqwrt. « ■ ^ b c wHich hgtrf l1ke m*n z r v\n" * 20
    found = why(page, GateSettings(max_noise_kinds=2))
    assert found is not None
    assert found.startswith("noise of a reading machine: 6 kinds, at most 2: stray symbols")


def test_names_possessives_and_numbers_are_no_noise() -> None:
    assert noise("McDonald's 21st of the 3d, O'Brien; A. B. Smith, LL.D., 5s. 3d. & Co. (a) x\n" + PROSE * 3) == {}


def test_advertising() -> None:
    advert = "Price 1s. 6d. To be had of all booksellers.\nSold by all chemists, 2s. 9d. per bottle.\n"
    assert advertising(PROSE) == 0
    assert advertising(advert) == 1
    assert why(advert, GateSettings(max_advertising=0.3)) == "advertising: 100% of its lines, at most 30%"
    assert why(PROSE * 9 + advert, GateSettings(max_advertising=0.3)) is None


def test_repetition() -> None:
    verse = "".join(f"The {number}th verse of this long song.\nHey ho!\n" for number in range(20))
    assert repeated(verse) == 0
    assert repeated("This line is said again.\n" * 10) == pytest.approx(0.9)
    assert repeated("This sentence is said again. " * 10) == pytest.approx(0.9, abs=0.02)
    assert why("This line is said again.\n" * 10, GateSettings(max_repeated=0.5)) == (
        "repetition: 90% of it came before, at most 50%"
    )


@pytest.mark.parametrize(
    ("text", "code"), [(FRENCH, "fr"), (GERMAN, "de"), (LATIN, "la"), (PROSE, "en"), (EARLY, "en")]
)
def test_languages_are_told_by_name(text: str, code: str) -> None:
    assert language(text)[0] == code
    assert (why(text, GateSettings(languages=["en"])) or "").startswith("" if code == "en" else f"language: {code}")
    assert why(text, GateSettings(languages=["fr", "de", "la", "en"])) is None


def test_every_language_that_is_told_can_be_asked_for() -> None:
    assert {*FUNCTION_WORDS, "unknown"} == set(get_args(Language))


def test_what_no_list_knows_is_unknown() -> None:
    assert language("你好 世界 " * 50)[0] == language("Two words")[0] == "unknown"
    assert (
        why("你好 世界 " * 50, GateSettings(languages=["en"])) == "language: unknown: 0% function words; wanted is en"
    )
    assert why("你好 世界 " * 50, GateSettings(languages=["en", "unknown"])) is None


@pytest.mark.parametrize(
    ("year", "undated", "expected"),
    [
        (1500, True, None),
        (1850, False, None),
        (1851, True, "outside the period: 1851 is not in 1500 to 1850"),
        (None, True, None),
        (None, False, "no year: 1500 to 1850 is asked for"),
        ("1600?", False, "no year: 1500 to 1850 is asked for"),
    ],
)
def test_the_period(year: object, undated: bool, expected: str | None) -> None:
    assert why("x", GateSettings(period=(1500, 1850), undated=undated), year=year) == expected


def test_a_period_runs_forward() -> None:
    assert [each.what for each in GateSettings(period=(1850, 1500)).problems()] == ["1850 is later than 1500"]


def test_licences() -> None:
    def of(licence: str | None, **said: object) -> str | None:
        return why("x", GateSettings.model_validate({"licences": said}), licence=licence)

    assert of("CC-BY-NC-4.0", noncommercial=False) == "non-commercial licence: CC-BY-NC-4.0"
    assert of("CC BY-NC-SA 4.0", noncommercial=False) is not None
    assert of("free for non-commercial use", noncommercial=False) is not None
    assert of("CC-BY-4.0", noncommercial=False) is of("CC0-1.0", noncommercial=False) is None
    assert of("CC-BY-SA-4.0", deny=["cc-by-sa*"]) == "licence denied: CC-BY-SA-4.0"
    assert of("MIT", allow=["CC*", "public-domain"]) == "licence not allowed: MIT"
    assert of("Public-Domain", allow=["CC*", "public-domain"]) is None
    assert of(None, unknown=False) == of(" ", unknown=False) == "no licence"
    assert of(None, noncommercial=False) is None


def test_a_long_text_is_judged_by_a_sample_of_all_its_parts() -> None:
    text = "".join(f"word{number} " for number in range(100_000))
    found = sample(text)
    assert 0.95 * SAMPLE_CHARACTERS <= len(found) <= SAMPLE_CHARACTERS + 16
    assert set(found.split()) <= set(text.split())
    assert "word1 " in found
    assert "word99998" in found
    assert sample(PROSE) is PROSE


@pytest.mark.slow
def test_the_preset_takes_every_book_of_four_centuries(shared: Path, tmp_path: Path) -> None:
    from holdfast.text.build import build_corpus
    from holdfast.text.settings import CorpusSettings

    settings = CorpusSettings(path=str(shared / "data" / "history"), gates=HISTORICAL)
    summary = build_corpus(settings, 1, tmp_path, lambda done, total: None)
    assert not summary.manifest["rejected"]
