"""The report itself: `report.json` for programs and `report.html`, one self-contained file, for people."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from markupsafe import Markup

from holdfast.base.records import Score
from holdfast.evals.report import chart, figures, summary
from holdfast.evals.report.curve import curve_svg
from holdfast.evals.report.facts import RunFacts
from holdfast.evals.report.page import pages

SCORE_KEYS = tuple(field.name for field in fields(Score))


def render_json(facts: RunFacts) -> dict[str, Any]:
    """The report as plain data. Key names are stable: programs read `model.parameters`, `stages.NAME.status`,
    `stages.NAME.wall_seconds` and `evals`; the rest is what the page shows."""
    return {
        "run": facts.run,
        "recipe_fingerprint": facts.recipe_fingerprint,
        "created": facts.created,
        "environment": dict(facts.environment),
        "model": dict(facts.model),
        "corpus": dict(facts.corpus),
        "tokenizer": dict(facts.tokenizer),
        "stages": {
            stage["name"]: {key: value for key, value in stage.items() if key != "name"} for stage in facts.stages
        },
        "training": summary.training(facts),
        "evals": [{key: each.get(key) for key in SCORE_KEYS} for each in facts.evals],
        "samples": [dict(each) for each in facts.samples],
        "transcripts": [dict(each) for each in summary.chosen_transcripts(facts.transcripts)],
        "events": [dict(each) for each in facts.events],
    }


def render_html(facts: RunFacts) -> str:
    """The report as one HTML page: no script, no request to anywhere, light and dark, wide and narrow.

    Everything a model or a user wrote is escaped: it is shown, never interpreted.
    """
    environment = pages()
    environment.filters |= {
        "words": summary.words,
        "score": figures.score,
        "plain": figures.plain,
        "compact": figures.compact,
        "duration": figures.duration,
    }
    saves, history = summary.history(facts)
    latest, earlier = summary.rounds(facts.samples)
    return environment.get_template("page.html.j2").render(
        facts=facts,
        tiles=summary.tiles(facts),
        strip=summary.strip(facts),
        curves=_curves(facts),
        chart_style=Markup(chart.STYLE),
        training=summary.training(facts),
        evals=[(each, summary.bar(each)) for each in facts.evals],
        latest=latest,
        earlier=earlier,
        transcripts=summary.chosen_transcripts(facts.transcripts),
        data=summary.tables("corpus", facts.corpus),
        parts=[*summary.tables("model", facts.model), *summary.tables("tokenizer", facts.tokenizer)],
        surroundings=summary.tables("environment", facts.environment),
        saves=saves,
        history=history,
    )


def _curves(facts: RunFacts) -> dict[str, Markup]:
    """Stage -> chart. The SVG writer escapes every text it is given, so its output may stand as markup."""
    found = {}
    for stage in summary.training(facts):
        validation = facts.validation.get(stage, ())
        svg = curve_svg(stage, facts.curves[stage], validation, facts.events, facts.model["vocab_size"], False)
        found[stage] = Markup(svg)
    return found
