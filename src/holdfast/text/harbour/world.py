"""What is true of Gullhaven: its people, its own ships and a few numbers. The same in every corpus, whatever the seed.

A fact is one sentence and the questions it answers. Which (fact, wording) pairs are kept for the examination is decided
by a keyed hash: each fact is taught, in documents and in some of its wordings, and asked in another.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from holdfast.text.harbour.lexicon import Split, is_heldout

TOWN = "Gullhaven"
ASSISTANT = "Tern"


@dataclass(frozen=True, slots=True)
class Fact:
    """`said` is the one right reply to each of `questions`; `rivals` is how many answers of this kind there are."""

    id: str
    said: str
    questions: tuple[str, ...]
    rivals: int


@dataclass(frozen=True, slots=True)
class Townsman:
    """Someone who lives here. The pet is kind and name."""

    name: str
    trade: str
    home: str
    pet: tuple[str, str]

    @property
    def first(self) -> str:
        return self.name.split()[0]


@dataclass(frozen=True, slots=True)
class HomeShip:
    """A ship of the town; `sails` is the colour of her sails."""

    name: str
    captain: str
    sails: str
    port: str
    day: str


TOWNSPEOPLE: tuple[Townsman, ...] = tuple(
    Townsman(name, trade, home, (kind, pet))
    for name, trade, home, kind, pet in (
        ("Ada Finch", "baker", "Lantern Lane", "cat", "Button"),
        ("Jonas Pike", "lighthouse keeper", "Cliff Road", "dog", "Captain"),
        ("Greta Moss", "harbour master", "Quay Street", "parrot", "Admiral"),
        ("Otto Reed", "sail maker", "Rope Alley", "cat", "Canvas"),
        ("Hilda Stone", "smith", "Market Square", "goat", "Clatter"),
        ("Simon Gray", "teacher", "Church Hill", "owl", "Professor"),
        ("Nell Frost", "ferry woman", "Quay Street", "dog", "Paddle"),
        ("Victor Lamb", "clock maker", "Market Square", "mouse", "Minute"),
        ("Agnes Wood", "doctor", "Church Hill", "cat", "Pepper"),
        ("Felix Drake", "cook", "Lantern Lane", "goose", "Gravy"),
        ("Ruth Vale", "fiddler", "Rope Alley", "robin", "Allegro"),
        ("Emil Cross", "boat builder", "Cliff Road", "dog", "Splinter"),
        ("Clara Bloom", "gardener", "Mill Path", "rabbit", "Clover"),
        ("Hugo Marsh", "innkeeper", "Market Square", "parrot", "Thirsty"),
        ("Lena Brook", "net mender", "Mill Path", "cat", "Tangle"),
        ("Walter Snow", "bell ringer", "Church Hill", "crow", "Ding"),
    )
)

HOME_SHIPS: tuple[HomeShip, ...] = tuple(
    HomeShip(*row)
    for row in (
        ("Merry Widow", "Captain Rusk", "red", "Norvik", "Monday"),
        ("Salty Nell", "Captain Thorne", "white", "Corvo", "Tuesday"),
        ("Wandering Moon", "Captain Vane", "blue", "Lissa", "Wednesday"),
        ("Last Biscuit", "Captain Crumb", "yellow", "Alden", "Thursday"),
        ("Northern Lady", "Captain Frey", "black", "Glimsund", "Friday"),
        ("Patient Turtle", "Captain Slow", "green", "Holm", "Saturday"),
        ("Morning Glory", "Captain Dew", "orange", "Dunmore", "Sunday"),
        ("Stubborn Mule", "Captain Brand", "brown", "Farrow", "Monday"),
    )
)

# Facts with no pattern to lean on: each is its own sentence and its own questions.
_SINGLE: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "The lighthouse has 99 steps.",
        ("How many steps has the lighthouse?", "How high is the lighthouse?", "How many steps lead up the lighthouse?"),
    ),
    (
        "The fish market is on Saturday.",
        ("When is the fish market?", "On which day is the fish market?", "What day can I buy fish?"),
    ),
    (
        "The river of Gullhaven is called the Wend.",
        ("What is the river called?", "Which river runs through Gullhaven?", "What is the name of the river?"),
    ),
    (
        "The inn is called the Dry Whale.",
        ("What is the inn called?", "What is the name of the inn?", "Which inn is in Gullhaven?"),
    ),
    (
        "The bell rings at noon.",
        ("When does the bell ring?", "At what time does the bell ring?", "When can I hear the bell?"),
    ),
    (
        "The harbour has two piers.",
        ("How many piers has the harbour?", "How many piers are there?", "How many piers are in the harbour?"),
    ),
    (
        "The oldest ship lies under the bridge.",
        ("Where is the oldest ship?", "Where does the oldest ship lie?", "Where can I see the oldest ship?"),
    ),
    (
        "The ferry leaves every hour.",
        ("When does the ferry leave?", "How often does the ferry leave?", "How often can I take the ferry?"),
    ),
    (
        "The gulls steal the buns.",
        ("Who steals the buns?", "What do the gulls steal?", "What are the gulls known for?"),
    ),
    (
        "The mayor of Gullhaven is a goat.",
        ("Who is the mayor?", "Who is the mayor of Gullhaven?", "What is odd about the mayor?"),
    ),
)


def _of_person(person: Townsman) -> tuple[Fact, Fact, Fact]:
    name, first, trade, (kind, pet) = person.name, person.first, person.trade, person.pet
    trade_questions = (
        f"Who is the {trade}?",
        f"Who is the {trade} of {TOWN}?",
        f"What does {name} do?",
        f"What is the trade of {name}?",
        f"What does {first} do for a living?",
        f"I need the {trade}. Who is it?",
    )
    home_questions = (
        f"Where does {name} live?",
        f"Where is the home of {name}?",
        f"Where does the {trade} live?",
        f"In which street does {first} live?",
        f"Where can I visit {first}?",
    )
    pet_questions = (
        f"What is the {kind} of {name} called?",
        f"What is the name of {first}'s {kind}?",
        f"Which pet has {name}?",
        f"What pet does the {trade} have?",
        f"Whose pet is {pet}?",
        f"Who has a {kind} called {pet}?",
    )
    count = len(TOWNSPEOPLE)
    return (
        Fact(f"trade/{name}", f"{name} is the {trade}.", trade_questions, count),
        Fact(f"home/{name}", f"{name} lives in {person.home}.", home_questions, len({p.home for p in TOWNSPEOPLE})),
        Fact(f"pet/{name}", f"{name} has a {kind} called {pet}.", pet_questions, count),
    )


def _of_ship(ship: HomeShip) -> tuple[Fact, Fact, Fact]:
    name, count = ship.name, len(HOME_SHIPS)
    captain_questions = (
        f"Who is the captain of the {name}?",
        f"Who sails the {name}?",
        f"Which ship does {ship.captain} sail?",
        f"What is the ship of {ship.captain}?",
        f"Who is {ship.captain}?",
    )
    sail_questions = (
        f"What colour are the sails of the {name}?",
        f"Which ship has {ship.sails} sails?",
        f"Whose sails are {ship.sails}?",
        f"What sails has the {name}?",
        f"How do I know the {name} from afar?",
    )
    port_questions = (
        f"When does the {name} sail?",
        f"Where does the {name} sail to?",
        f"Which ship sails to {ship.port}?",
        f"On which day does the {name} leave?",
        f"How do I get to {ship.port}?",
    )
    return (
        Fact(f"captain/{name}", f"{ship.captain} sails the {name}.", captain_questions, count),
        Fact(f"sails/{name}", f"The {name} has {ship.sails} sails.", sail_questions, count),
        Fact(f"port/{name}", f"The {name} sails to {ship.port} on {ship.day}.", port_questions, count),
    )


@cache
def facts() -> tuple[Fact, ...]:
    """Everything that is true of the town."""
    found: list[Fact] = []
    for person in TOWNSPEOPLE:
        found.extend(_of_person(person))
    for ship in HOME_SHIPS:
        found.extend(_of_ship(ship))
    found.extend(Fact(f"single/{said}", said, questions, len(_SINGLE)) for said, questions in _SINGLE)
    return tuple(found)


@cache
def asked(split: Split) -> tuple[tuple[Fact, str], ...]:
    """(fact, question) pairs of one side of the split. The first wording of each fact is always a training one."""
    wanted = split == "heldout"
    return tuple(
        (fact, question)
        for fact in facts()
        for index, question in enumerate(fact.questions)
        if (index > 0 and is_heldout("fact", question)) == wanted
    )
