"""The command: which checks, in which order, and how they are told."""

import click

from ...lib.words import plural
from ..context import Context
from ..groups import example
from ..output import echo_json, fancy, plain
from .database import (
    check_clock,
    check_crowd,
    check_daemons,
    check_database,
    check_database_file,
    check_notices,
    check_overdue,
    check_reports,
    check_rights,
    check_types,
)
from .findings import OK, PROBLEM, WARNING, Check, Finding, Patient, examine
from .ground import (
    check_daemon,
    check_environment,
    check_folders,
    check_program,
    check_zone_data,
    configuration,
)
from .network import check_mail_server, check_tokens

COLOURS = {OK: "green", WARNING: "yellow", PROBLEM: "red"}


def all_checks(context: Context) -> tuple[Check, ...]:
    """Return every check, in the order in which they are told."""
    ground = (check_program, configuration(context), check_environment, check_zone_data)
    rows = (check_reports, check_types, check_overdue, check_crowd, check_notices)
    database = (check_database, check_database_file, check_rights, check_clock, check_daemons)
    return (*ground, *database, check_folders, check_daemon, *rows, check_mail_server, check_tokens)


@click.command(epilog=example("doctor", "doctor --no-network", "doctor --json"))
@click.option("--no-network", is_flag=True, help="Ask neither the mail server nor Shopify.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_obj
def doctor(context: Context, no_network: bool, as_json: bool) -> int:
    """
    Check everything around the scheduler; say what to do.

    No mail is sent. Nothing is changed but a token that must be renewed, and what is known of a shop. Exit status:
    0 all well or warnings only, 1 a problem, 2 configuration, 3 database.
    """
    from ...logs import configure

    configure("error")
    patient = Patient(network=not no_network)
    try:
        examine(patient, all_checks(context), _silent if as_json else _print)
    finally:
        if patient.store is not None:
            patient.store.close()
    code = exit_code(patient)
    if as_json:
        data = [
            {
                "level": f.level.lower(),
                "check": f.check,
                "message": f.text,
                "hint": f.hint or None,
                "code": f.code or None,
            }
            for f in patient.findings
        ]
        echo_json("doctor", data, exit_code=code)
        return code
    _sum_up(patient)
    return code


def exit_code(patient: Patient) -> int:
    """Return 0, or what kind of problem there is: 2 configuration, 3 database, 1 any other."""
    if not any(item.level == PROBLEM for item in patient.findings):
        return 0
    if patient.config is None:
        return 2
    return 3 if patient.store is None else 1


def _silent(finding: Finding) -> None:
    return


def _print(finding: Finding) -> None:
    level = click.style(f"{finding.level:7}", fg=COLOURS[finding.level]) if fancy() else f"{finding.level:7}"
    hint = f"  -> {plain(finding.hint)}" if finding.hint else ""
    click.echo(f"{level}  {finding.check:13}  {plain(finding.text)}{hint}")


def _sum_up(patient: Patient) -> None:
    if patient.config is None:
        click.echo("The rest was not checked: it needs the configuration.")
    elif patient.store is None:
        click.echo("Reports and tokens were not checked: they need the database.")
    counts = {level: sum(item.level == level for item in patient.findings) for level in (OK, WARNING, PROBLEM)}
    said = f"{plural(counts[PROBLEM], 'problem')}, {plural(counts[WARNING], 'warning')}, {counts[OK]} well"
    click.echo(said)
