"""The model card of trained weights, made only from the record of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LICENCE = "Apache-2.0"


def model_card(record: Mapping[str, Any], measured: str = "") -> str:
    """Write a model card.

    Args:
        record: Content of ``record.json`` of a run.
        measured: Table of ``motes eval`` to quote, in Markdown.

    Returns:
        Markdown.
    """
    parts = [
        _head(record),
        _section("Data", _data(record["recipe"])),
        _section("Training", _training(record)),
        _section("Curve", _table(record["curve"], ("step", "loss", "lr", "minutes"))),
        _section("Scores during training", _scores(record["recipe"]["eval"], record["scores"])),
        _section("Measured", measured),
        _section("Limits", LIMITS),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


LIMITS = """Trained only on the data above.  Tracking may fail on what does not occur there (smoke,
water, reflections, very fast motion).  Positions of hidden points are guesses.  The scores above
are measured on clips of the size in the recipe."""


def _head(record: Mapping[str, Any]) -> str:
    best = record["best"]
    return (
        f"# {record['model']}\n\n"
        f'Weights for `motes.load("{record["model"]}")`: {record["parameters"]:,} parameters, '
        f"averaged (EMA) weights of step {best['step']}, half precision. Licence: {LICENCE}."
    )


def _data(recipe: Mapping[str, Any]) -> str:
    lines = []
    for source in recipe["data"]["sources"]:
        options = ", ".join(f"{k} {v}" for k, v in source["options"].items())
        photographs = "with a folder of photographs as textures" if source["path"] else ""
        detail = photographs if source["kind"] == "synthetic" else ""
        parts = [f"`{source['kind']}` (weight {source['weight']:g})", detail, options]
        lines.append("- " + "; ".join(part for part in parts if part))
    return "\n".join(lines)


def _training(record: Mapping[str, Any]) -> str:
    train = record["recipe"]["train"]
    lines = [
        f"- {record['steps']:,} steps, {record['samples']:,} clips, {record['hours']:g} hours on "
        f"{record['hardware']}, {record['processes']} process(es), {train['precision']}",
        f"- AdamW, one-cycle, largest learning rate {train['lr']:g}, weight decay "
        f"{train['weight_decay']:g}, gradient norm at most {train['clip']:g}, "
        f"EMA {train['ema']:g}, seed {train['seed']}",
        f"- losses: {_pairs(record['recipe']['loss'])}",
        f"- samples skipped as unusable: {record['skipped']}",
        f"- motes {record['versions']['motes']}, torch {record['versions']['torch']}",
    ]
    stages = _table(train["stages"], ("steps", "size", "frames", "points", "batch"))
    return "\n".join(lines) + "\n\n" + stages


def _scores(config: Mapping[str, Any], rows: list[Mapping[str, Any]]) -> str:
    where = "clips of a folder" if config["clips"] else "generated clips that were not trained on"
    H, W = config["size"]
    head = f"{where}, {W}x{H}, at most {config['points']} points, all tracked together:"
    return f"On {head}\n\n{_table(rows, ('step', 'AJ', 'delta', 'OA'))}"


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}" if text else ""


def _pairs(table: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in table.items())


def _table(rows: list[Mapping[str, Any]], names: tuple[str, ...]) -> str:
    if not rows:
        return ""
    lines = [" | ".join(names), " | ".join("---" for _ in names)]
    lines += [" | ".join(str(row.get(name, "")) for name in names) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)
