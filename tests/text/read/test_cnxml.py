"""Textbook modules."""

from collections.abc import Callable

import pytest

from holdfast.base.records import Document

pytest.importorskip("lxml")

MODULE = """<document xmlns="http://cnx.rice.edu/cnxml" xmlns:m="http://www.w3.org/1998/Math/MathML">
  <title>Tides</title>
  <metadata xmlns:md="http://cnx.rice.edu/mdml"><md:title>Tides</md:title><md:language>en-GB</md:language>
    <md:license url="http://creativecommons.org/licenses/by-nc-sa/4.0/"/></metadata>
  <content>
    <section><title>The sea</title>
      <para>Water <term>rises</term> and
        falls<newline/>twice a day, by <m:math><m:mn>3</m:mn></m:math> m.</para>
      <list><item>high</item><item>low</item></list>
      <figure><media alt="A quay"><image src="quay.jpg"/></media><caption>A quay</caption></figure>
      <table><tgroup><tbody><row><entry>Jan</entry><entry>7</entry></row></tbody></tgroup></table>
    </section>
  </content>
</document>"""


def test_a_module(document: Callable[..., Document]) -> None:
    found = document("m1.cnxml", MODULE)
    assert found.text == (
        "Tides\n\nThe sea\n\nWater rises and falls\ntwice a day, by 3 m.\n\nhigh\nlow\n\nA quay\n\nJan 7"
    )
    assert dict(found.meta) == {
        "title": "Tides",
        "language": "en",
        "licence": "CC-BY-NC-SA-4.0",
        "path": "m1.cnxml",
    }


def test_a_module_without_text(reason: Callable[..., str]) -> None:
    assert reason("m1.cnxml", '<document xmlns="http://cnx.rice.edu/cnxml"/>').startswith("no text in it")
