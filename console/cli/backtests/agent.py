"""`vpp backtest agent`: value in money of a brain of the grid agent, on scripted and seeded evenings."""

from __future__ import annotations

import asyncio
import json as json_text
import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from console.cli.agent import chosen_brain
from console.cli.options import NO_OPTIONS, Common, Json, answer, out, say, table
from console.cli.progress import progress

if TYPE_CHECKING:
    from mcp_server.agent_bench.score import BenchScore, EveningScore

COLUMNS = ("evening", "standing order", "without", "with agent", "in hindsight", "gain %", "prevented %", "calls")

ABOUT = """\
An evening has twenty half hours. It runs on the plant's reducers (actor, trader, orders, plant) and the plant's MCP
server, with a battery of 8 MW and 16 MWh, a peaker of 10 MW and a load of 4 MW for 100 MW of net load. The forecasts
contain a ramp or a price spike at its probability until 90 minutes before it; the seed decides whether it happens. A
simulated operator approves each plan after four minutes, except plans that would end an order given for safety or for
a warranty. *In hindsight* is the best possible result from the third slot on, with all values known and without the
order in force. *Prevented* is the agent's gain in per cent of the avoidable loss."""


def agent(
    *,
    scenarios: Annotated[int, Parameter(help="number of seeded evenings in addition to the scripted one")] = 30,
    brain: Annotated[Literal["strategy", "llm"] | None, Parameter(help="brain of the agent [strategy]")] = None,
    model: Annotated[str | None, Parameter(help="provider:name of a language model; brain llm")] = None,
    file: Annotated[Path | None, Parameter(name="--out", help="write the figures: FILE.json, or Markdown")] = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> int:
    """Run evenings with and without the agent on the plant's own reducers, and compare the money.

    The scripted evening has a ramp, a price spike and an order that loses money; the brain should prevent 70 % of the
    avoidable loss. It should not lose more than 1 % in any of the seeded evenings. A simulated operator approves each
    plan within minutes, except plans that would end a duty. Exit code 1: a goal is missed.
    """
    from mcp_server.agent_bench.scenario import bench_zone, scripted_evening, seeded_evening
    from mcp_server.agent_bench.score import score_brain

    agent_settings = common.settings().agent
    changes = {"model": model, "brain": brain or ("llm" if model else None)}
    agent_settings = agent_settings.model_copy(
        update={name: value for name, value in changes.items() if value is not None}
    )
    logging.getLogger("mcp_server").setLevel(logging.WARNING)
    with progress("agent") as report:
        score = asyncio.run(
            score_brain(
                lambda: chosen_brain(agent_settings),
                scripted_evening(),
                [seeded_evening(seed) for seed in range(scenarios)],
                report,
                currency=bench_zone().market.currency,
            )
        )
    if file is not None:
        figures = json_text.dumps(asdict(score), indent=1) + "\n"
        file.write_text(figures if file.suffix == ".json" else page(score), encoding="utf-8")
        say(f"wrote {file}")
    answer(score, as_json=json, render=_show)
    return 0 if all(score.goals.values()) else 1


def page(score: BenchScore) -> str:
    """Return the figures as a page of the documentation."""
    lines = [
        "# Value of the agent",
        "",
        (
            f"Written by `vpp backtest agent --out FILE`; do not edit. The brain is `{score.brain}`, money is in "
            f"{score.currency}, income positive."
        ),
        "",
        ABOUT,
        "",
        *(f"- {words}" for words in _verdicts(score)),
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "| --- | --- |" + " ---: |" * (len(COLUMNS) - 2),
        *("| " + " | ".join(_cells(score_row)) + " |" for score_row in (score.scripted, *score.seeded)),
    ]
    return "\n".join(lines) + "\n"


def _show(score: BenchScore) -> None:
    table(None, COLUMNS, [_cells(score_row) for score_row in (score.scripted, *score.seeded)])
    for words in _verdicts(score):
        out.print(words)


def _verdicts(score: BenchScore) -> list[str]:
    first = score.scripted
    words = [f"The scripted evening: {first.prevented_pct:g} % of the avoidable loss prevented (goal: 70 %)."]
    if score.seeded:
        words += [
            (
                f"{len(score.seeded)} seeded evenings: {score.money_without:,.2f} {score.currency} without the agent, "
                f"{score.money_with:,.2f} with it, {score.money_best:,.2f} in hindsight."
            ),
            f"The worst of them: {score.worst_pct:g} % (goal: not below -1 %).",
        ]
    return words


def _cells(evening: EveningScore) -> list[str]:
    money = [f"{value:,.2f}" for value in (evening.without, evening.with_agent, evening.best)]
    prevented = "" if evening.prevented_pct is None else f"{evening.prevented_pct:.1f}"
    return [evening.name, evening.standing or "none", *money, f"{evening.gain_pct:.2f}", prevented, str(evening.calls)]
