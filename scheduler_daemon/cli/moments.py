"""Moments for people: local time, in the zone of the report that they belong to."""

from datetime import UTC, datetime, tzinfo

import click

from ..lib.clock import EPOCH
from ..lib.zones import find_zone, host_zone


def zone_or_utc(*names: str | None) -> tzinfo:
    """Return the first of *names* that is a zone, else UTC (a row may name a zone that does not exist)."""
    for name in names:
        if name:
            try:
                return find_zone(name)
            except KeyError:
                continue
    return UTC


def zone_here() -> tzinfo:
    """Return this machine's zone; a TZ that names none is told on standard error, and UTC taken."""
    host = host_zone()
    if host.unknown:
        click.echo(f"Note: TZ={host.unknown!a} in the environment is no time zone; times are in UTC.", err=True)
    return host.zone


def say_moment(moment: datetime, zone: tzinfo, now: datetime) -> str:
    """Return *moment* in *zone*: ``Mon 30 Nov 08:00 CET``, its year where it is another; ``?`` for a blank one."""
    if moment == EPOCH:
        return "?"  # the blank of a row that cannot be read (`Run.damage`)
    local = moment.astimezone(zone)
    year = "" if local.year == now.astimezone(zone).year else f" {local:%Y}"
    return f"{local:%a %d %b}{year} {local:%H:%M %Z}"


def say_takeover(moment: datetime, zone: tzinfo) -> str:
    """Return when a lease that ends at *moment* is taken over, to the second: its holder's process is gone."""
    return f"a peer or the next check takes it over at {moment.astimezone(zone):%H:%M:%S %Z}"


def say_clock(moment: datetime, zone: tzinfo, now: datetime) -> str:
    """Return *moment* in *zone* as shortly as it is clear: ``03:12 CET`` today, else with its day."""
    local = moment.astimezone(zone)
    if local.date() == now.astimezone(zone).date():
        return f"{local:%H:%M %Z}"
    return say_moment(moment, zone, now)
