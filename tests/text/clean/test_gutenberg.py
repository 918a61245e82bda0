"""What Project Gutenberg and other libraries put around books: every generation of it goes, and nothing of the book."""

import pytest

from holdfast.text.clean import STEPS, clean
from holdfast.text.clean.gutenberg import gutenberg
from holdfast.text.clean.notices import notices

BOOK = "CHAPTER I\n\nHe fished.\n\nAnd so he went home.\n"

SMALL_PRINT = f"""**The Project Gutenberg Etext of Angling, by Isaak Walton**

Please take a look at the important information in this header.

***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***
Why is this "Small Print!" statement here?

{{}}


Scanned by A. Reader

{BOOK}



End of The Project Gutenberg Etext of Angling, by Isaak Walton
"""


@pytest.mark.parametrize(
    "end",
    [
        "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*",
        "*END THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.10/04/01*END*",
        "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN EBOOKS*Ver.02/11/02*END*",
    ],
)
def test_the_notices_of_the_nineties(end: str) -> None:
    assert clean(SMALL_PRINT.format(end)) == BOOK


def test_a_small_print_of_somebody_else_stays() -> None:
    text = "He read it.\n\n*END THE SMALL PRINT! OF THE INSURANCE*END*\n\nThen he wept.\n"
    assert clean(text) == text


@pytest.mark.parametrize(
    "credit",
    [
        "Produced by A. Reader and\nthe Proofreaders",
        "This eBook was produced by David Widger",
        "E-text prepared by A and B",
        "Transcribed from the 1915 Methuen & Co. Ltd. edition by David Price",
        "Produced by A. Reader\n\n\nHTML version by Al Haines.",
        "Copyright (C) 2002 David Wyllie.",
        "Note: Project Gutenberg also has an HTML version of this\n      file which includes the illustrations.",
        "Produced by A\n\n\n\nTRANSCRIBER'S NOTE\n\nSpelling was kept.\n\nSo were the commas.\n\n",
        "Produced by A\n\n\n[Transcriber's Note: Italics are marked\nwith underscores.]",
    ],
)
@pytest.mark.parametrize("the", ["THE", "THIS"])
def test_credits_behind_the_first_line(credit: str, the: str) -> None:
    start, end = (f"*** {edge} OF {the} PROJECT GUTENBERG EBOOK ANGLING ***" for edge in ("START", "END"))
    assert clean(f"Header\n\n{start}\n\n\n{credit}\n\n\n{BOOK}\n\n{end}\n\nLicence\n") == BOOK


def test_a_note_behind_the_book() -> None:
    start, end = ("*** START OF THE PROJECT GUTENBERG EBOOK X ***", "*** END OF THE PROJECT GUTENBERG EBOOK X ***")
    assert (
        clean(f"{start}\n\n{BOOK}\n\n\n\nTranscriber's Notes:\n\nPage 3: a comma.\n\nPage 9: another.\n\n{end}\n")
        == BOOK
    )


def test_the_first_words_of_a_book_are_no_credits() -> None:
    start = "*** START OF THE PROJECT GUTENBERG EBOOK X ***"
    for first in (
        "Produced in haste, this book.",
        "Prepared to die, he rose.",
        "Notes by the author.",
        "Copyright, 1884",
    ):
        assert clean(f"{start}\n\n{first}\n\n{BOOK}") == f"{first}\n\n{BOOK}"


def test_a_book_that_speaks_of_gutenberg_and_of_transcribers() -> None:
    text = "Johann Gutenberg printed.\n\nThe transcriber's note was lost.\n\nThe end of Project Gutenberg was near.\n"
    assert clean(text) == text


GOOGLE = """Google

This is a digital copy of a book that was preserved for generations on library shelves before it was scanned.

Usage guidelines

You can search through the full text of this book on the web at |http : //books . google . com/

"""


def test_what_is_stamped_on_scanned_pages() -> None:
    assert notices(f"{GOOGLE}{BOOK}") == f"Google\n\n{BOOK}"
    assert notices(f"Digitized by Google\n{BOOK}Digitized by VjOOQ IC\n") == BOOK
    archive = "Digitized by the Internet Archive\nin 2007 with funding from\nMicrosoft Corporation\n\n"
    assert notices(f"{archive}http://www.archive.org/details/angling00walt\n{BOOK}") == BOOK
    hathi = "Generated on 2013-05-04 21:33 GMT / http://hdl.handle.net/2027/mdp.3901\n"
    hathi += "Public Domain, Google-digitized / http://www.hathitrust.org/access_use#pd-google\n"
    assert notices(f"{hathi}{BOOK}{hathi}") == BOOK


def test_the_partnerships_own_notices() -> None:
    notice = "EEBO-TCP is a partnership between the Universities\nof Michigan and Oxford.\n"
    assert notices(f"{BOOK}\n{notice}") == f"{BOOK}\n"


@pytest.mark.parametrize(
    "text",
    [
        "It was digitized by hand.\n",
        "Original from the hand of the master.\n",
        "He googled it: Google is a company. See http://books.google.com for more.\n",
        "The TCP protocol; EEBO-TCP texts are used here.\n",
        "Permission must be asked of the king.\n",
    ],
)
def test_texts_about_libraries_stay(text: str) -> None:
    assert clean(text) == text


def test_it_is_a_step_of_its_own_and_whole_books_may_go() -> None:
    assert not STEPS["boilerplate"].bounded
    assert gutenberg(BOOK) is BOOK
