"""The words of the harbour, and which of them are kept for the examination.

Names are put together from two syllables and ships from two words, so that there are hundreds of each while every
part is common: a held-out name is new, its syllables are not. The split is a keyed hash of the thing itself, never of
a position in a list, so adding a word moves no other word.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from functools import cache
from typing import Literal

Split = Literal["train", "heldout"]

HELDOUT_PERCENT = 15

_HEADS = "Mar Tol Bri Hel Os Wen Dor Fin Kat Lu Per Ro Sel Tam Ul Yor Ned Gil An Bas Cor Ed Iv Jor"
_TAILS = "a en is o ka ric wyn mund da ley vin tha by na lan sten"
_SHIP_COLOURS = "Amber Black Blue Brass Bright Brave Golden Green Grey Happy Old Proud Quiet Red Silver Swift"
_SHIP_NOUNS = "Anchor Bell Crab Crown Dolphin Duck Gull Heron Lantern Otter Pearl Rose Seal Star Swan Whale"

PLACES: tuple[str, ...] = (
    *("bakery", "boathouse", "bridge", "church", "customs house", "fish market", "forge", "harbour wall", "inn"),
    *("library", "lighthouse", "mill", "north pier", "old well", "orchard", "rope walk", "school", "south pier"),
)
THINGS: tuple[str, ...] = (
    *("basket", "bell", "blanket", "book", "bottle", "candle", "chart", "coat", "compass", "drum", "fiddle", "hammer"),
    *(
        "hat",
        "kettle",
        "key",
        "ladder",
        "lamp",
        "letter",
        "map",
        "mirror",
        "net",
        "rope",
        "scarf",
        "spyglass",
        "whistle",
    ),
)
CARGOES: tuple[str, ...] = (
    *("salt", "tea", "coal", "wool", "oil", "rice", "honey", "timber", "wheat", "pepper", "cloth", "apples"),
    *("lemons", "iron", "glass", "paper"),
)
UNITS: tuple[str, ...] = ("barrels", "boxes", "sacks", "crates", "tons")
PORTS: tuple[str, ...] = (
    *("Alden", "Brack", "Corvo", "Dunmore", "Eastrey", "Farrow", "Glimsund", "Holm", "Inverby", "Kestrel Bay"),
    *("Lissa", "Norvik"),
)
DAYS: tuple[str, ...] = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WEATHERS: tuple[str, ...] = ("rain", "fog", "snow", "sunshine", "a storm", "hail", "a soft wind", "thunder")
COLOURS: tuple[str, ...] = ("red", "blue", "green", "white", "black", "yellow", "brown", "grey")

_WORDS = """
anchor apple april arrow autumn baker banner barley barrel basin basket beach beacon berry biscuit blanket boat bottle
branch brass bread breeze bridge bright bronze brush bucket butter button cabin cable candle canvas captain cargo
carpet carrot castle cattle cellar chain chalk cheese cherry chest chimney circle cliff clock cloud clover coal coast
cobble coffee coin collar compass copper coral corner cotton cradle crane crew crimson crystal current curtain dagger
daisy dance dawn deck desert diamond dinner dock dolphin donkey door dragon drawer dream drum eagle earth east echo
elbow ember engine evening fable falcon farmer feather fence ferry fiddle field finger fisher flame flask flour flower
flute forest fossil friend frost fruit garden garlic garnet ginger glass globe glove goat gold goose grain granite grape
grass gravel green guest guitar gull hammer handle harbour harvest hatch hazel heart heron herring hollow honey hook
horn horse house hunter inlet iron island ivory jacket jewel jolly jungle kettle kitchen kite kitten knife knot ladder
lagoon lake lamp lantern lemon letter light lily linen lion lobster locket lumber magnet maple marble market marsh mast
master meadow melon merchant merry midnight milk miller mirror mist monkey moon morning moss mountain mussel mustard
needle nest nettle night north novel nutmeg oak oarsman oats ocean olive onion orange orchard otter oven owl oyster
paddle paint palace panther paper parcel parrot path peach pearl pebble pelican pencil pepper piano pigeon pillow pilot
pine pirate planet plank plate plum pocket pond poppy porridge potato powder prince puffin pumpkin purple quarry queen
quill quilt rabbit raft rain raven reef ribbon rice rider ring river road robin rocket roof rope rose rudder sack
saddle saffron sail sailor salmon salt sand saucer scarf school scout seal season shadow sheep shell shelter ship shore
shovel silk silver singer skipper slate sleeve smoke snail snow soap song south spade spark sparrow spice spider spring
squid stable star station steam stone storm stove straw stream summer sunset supper swallow swan sweater table tailor
teapot temple thimble thistle thread thunder tide timber tinker tower trader travel treasure trumpet tulip tunnel
turnip turtle twig umbrella valley vanilla velvet vessel village violet violin visitor voyage wagon walnut walrus water
weather weaver wedding whale wharf wheat wheel whisper whistle willow window winter wisdom wolf wonder wooden woollen
yarn yellow zebra
"""


def is_heldout(kind: str, *parts: object) -> bool:
    """Whether this thing is kept for the examination. A fact about the thing: no seed and no index moves it."""
    text = "/".join([kind, *map(str, parts)])
    return hashlib.blake2b(text.encode(), digest_size=8).digest()[0] * 100 // 256 < HELDOUT_PERCENT


def of_split(kind: str, things: Sequence[str], split: Split) -> tuple[str, ...]:
    """The things of one side of the split, in their order."""
    wanted = split == "heldout"
    return tuple(thing for thing in things if is_heldout(kind, thing) == wanted)


@cache
def people(split: Split) -> tuple[str, ...]:
    """First names of visitors; those of the two splits have no name in common."""
    return of_split("person", [head + tail for head in _HEADS.split() for tail in _TAILS.split()], split)


def company(rng: random.Random, split: Split, count: int) -> list[str]:
    """`count` people who begin differently, as a storyteller picks them so that nobody mixes them up."""
    chosen: list[str] = []
    for head in rng.sample(_HEADS.split(), len(_HEADS.split())):
        if names := _by_head(split)[head]:
            chosen.append(rng.choice(names))
        if len(chosen) == count:
            break
    return chosen


@cache
def _by_head(split: Split) -> dict[str, list[str]]:
    return {
        head: [name for name in people(split) if name.removeprefix(head) in _TAILS.split()] for head in _HEADS.split()
    }


@cache
def ships(split: Split) -> tuple[str, ...]:
    """Names of visiting ships, without the article."""
    pairs = [f"{first} {second}" for first in _SHIP_COLOURS.split() for second in _SHIP_NOUNS.split()]
    return of_split("ship", pairs, split)


@cache
def words(split: Split) -> tuple[str, ...]:
    """Words to spell and to count the letters of."""
    return of_split("word", sorted(set(_WORDS.split())), split)


def sailors_word(rng: random.Random) -> str:
    """The beginning of one word and the end of another, both from the training side: lan-ket, mar-tern."""
    while True:
        first, second = rng.choice(words("train")), rng.choice(words("train"))
        blend = first[: rng.randint(2, len(first) - 1)] + second[rng.randint(1, len(second) - 2) :]
        if 3 <= len(blend) <= 9 and not is_heldout("word", blend):
            return blend


def draw(*key: object) -> random.Random:
    """A generator of its own for each item: the same key gives the same item, whatever was made before it."""
    return random.Random("/".join(map(str, key)))
