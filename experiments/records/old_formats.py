"""Conversion of study.json and sweep.json from earlier formats to the current one.

Format 1 had no `kind`: settings with the key `trained` belonged to a study that trains architectures, settings with the
key `shared` to a weight-sharing study, and all others to a study on a table. Its budgets were numbers of seconds.
"""

from __future__ import annotations

from math import nan
from typing import Any


def upgrade_study(facts: dict[str, Any]) -> dict[str, Any]:
    """The content of study.json in the current format, with NaN for null among the numbers of the optima."""
    optima = {
        dataset: {name: nan if number is None else number for name, number in best.items()}
        for dataset, best in facts.get("optima", {}).items()
    }
    return {**facts, **_settings(facts, _study_settings), "optima": optima}


def upgrade_sweep(facts: dict[str, Any]) -> dict[str, Any]:
    """The content of sweep.json in the current format."""
    return {**facts, **_settings(facts, _sweep_settings)}


def _settings(facts: dict[str, Any], upgrade: Any) -> dict[str, Any]:
    return {"settings": upgrade(facts["settings"]), "format": 2} if facts["format"] == 1 else {}


def _sweep_settings(settings: dict[str, Any]) -> dict[str, Any]:
    tuned = {
        name: {"kind": "choice" if "values" in domain else "range", **domain}
        for name, domain in settings["tuned"].items()
    }
    return {**settings, "tuned": tuned, "study": _study_settings(settings["study"])}


def _study_settings(settings: dict[str, Any]) -> dict[str, Any]:
    if "budgets" in settings:
        budgets = {name: {"amount": seconds, "unit": "seconds"} for name, seconds in settings["budgets"].items()}
        settings = {**settings, "budgets": budgets}
    if "shared" in settings:
        return {"kind": "weight_sharing", **settings, **_networks(settings["shared"])}
    if "trained" in settings:
        trained = settings["trained"]
        own = {name: trained[name] for name in ("recipe", "canonical")}
        return {"kind": "training", **settings, **_networks(trained), **own}
    return {"kind": "table", **settings}


def _networks(facts: dict[str, Any]) -> dict[str, Any]:
    """The settings of images and network scale, which format 1 kept in one mapping."""
    return {"images": {**facts, "counts": facts["images"]}, "scale": facts["scale"]}
