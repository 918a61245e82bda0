"""Pages to text: what a reader sees, and no markup that can hurt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.text.read.html import declared_encoding, page_text

PAGE = """<!DOCTYPE html><html><head><title>Ships &amp; Salt</title><style>p > a {color: red}</style></head>
<body><!-- <p>not this</p> --><h1>The
 Heron</h1><p title="a > b">She came   in <b>with</b>&nbsp;salt.<p>A verse<br>and more
<pre>  col 1
    col 2</pre><ul><li>one</li><li>two</ul><table><tr><td>a</td><td>b</td></tr></table>
<script>if (1 < 2) document.write("<p>nor this</p>")</script>&copy; 1850</body></html>"""


def test_what_a_reader_sees() -> None:
    text, title = page_text(PAGE)
    assert title == "Ships & Salt"
    assert text == (
        "The Heron\n\nShe came in with salt.\n\nA verse\nand more\n\n  col 1\n    col 2\n\none\ntwo\n\na b\n\n© 1850"
    )


def test_plain_text_survives() -> None:
    assert page_text("1 < 2 and 3 > 2 & so on") == ("1 < 2 and 3 > 2 & so on", "")


TAGS = ["<p>", "</p>", "<pre>", "</pre>", "<br>", "<td>", "<li>", "<TABLE>", "<title>", "<script>", "</script"]
STUMPS = ["<!--", "-->", "&amp;", "&#xD800;", "&#0;", "<a b='", "<![CDATA[", "<?", "</"]
pieces = st.sampled_from([*"<>'\"a \n", *TAGS, *STUMPS])


@given(st.lists(pieces, max_size=40).map("".join))
def test_any_markup_gives_text(markup: str) -> None:
    text, title = page_text(markup)
    (text + title).encode("utf-8")
    assert "\n\n\n" not in text or "<pre" in markup.lower()


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "unit", ["<", "<!--", "<a b='", "<a ", "</", "<script>", "&#9", "<p>", "<![", "<pre>", "<title>", "&"]
)
def test_hostile_repetition_takes_linear_time(unit: str) -> None:
    page_text(unit * (500_000 // len(unit)))


def test_the_declared_encoding_is_found() -> None:
    assert declared_encoding(b'<meta charset="koi8-r">') == "koi8-r"
    assert declared_encoding(b"<meta http-equiv=x content='text/html; charset=ISO-8859-1'>") == "ISO-8859-1"
    assert declared_encoding(b"<p>none") is None
