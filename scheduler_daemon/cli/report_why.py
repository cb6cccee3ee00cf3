"""`scheduler reports why`: sentences on why a report ran, did not run, or will not run."""

import click

from .asking import find_report, opened
from .context import Context
from .groups import Whole, example
from .output import coloured, echo_json, plain
from .why import Said, ahead, behind, gather


@click.command(epilog=example("reports why 'Weekly Sales'", "reports why rs_01ab --runs 20 --json"))
@click.argument("report")
@click.option("--runs", default=5, show_default=True, type=Whole(0, 200), help="How many runs to explain.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def why(context: Context, report: str, runs: int, as_json: bool) -> None:
    """Say why REPORT ran, did not run, or will not run."""
    config = context.config()
    with opened(context) as store:
        facts = gather(config, store, find_report(store, report), runs)
        said = ahead(facts)
        told = [(run.status.value, behind(facts, run)) for run in facts.runs]
    if as_json:
        echo_json("why", [_data(item) for item in (*said, *(item for _, item in told))])
        return
    for item in said:
        _print(item, "")
    if told:
        click.echo("")
    for status, item in told:
        _print(item, status)


def _print(item: Said, status: str) -> None:
    click.echo(coloured(plain(item.text), status))
    if item.hint:
        click.echo(f"    -> {plain(item.hint)}")


def _data(item: Said) -> dict[str, str | None]:
    return {"code": item.code, "text": item.text, "hint": item.hint or None, "run": item.run or None}
