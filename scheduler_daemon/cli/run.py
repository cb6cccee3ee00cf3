"""`scheduler run`: the daemon."""

import sys

import click

from ..app import build, delivery_mode, open_store
from ..config import Config, load_config
from ..daemon import Daemon
from ..health.statefile import StateFile
from ..logs import configure
from ..wakeup import Wakeup
from .asking import announce
from .context import Context
from .groups import example


@click.command(epilog=example("run", "--log-format json run"))
@click.pass_obj
def run(context: Context) -> int:
    """
    Run the daemon until SIGTERM or SIGINT.

    SIGUSR1 checks now, SIGHUP reads the configuration again. Exit status: 0 after a stop, 2 configuration,
    3 database, 4 another daemon holds the state file.
    """
    config = context.config()
    context.logs()
    state = StateFile(config.state_file)
    state.lock()
    with open_store(config, create=True) as store:
        if _for_people(config) or context.verbose:
            announce(config, store)
        store.require_rights(delivery_mode(config, store))
        wakeup = Wakeup()
        app = build(config, store, wakeup.wake, remember=False)

        def reload() -> None:
            fresh = load_config(context.config_path or config.source, context.overrides)
            configure(fresh.log.level, fresh.log.format)
            app.take_config(fresh)

        return Daemon(app, state, wakeup, reload).run()


def _for_people(config: Config) -> bool:
    """Whether the log is written for people; a plain line would break a log of JSON, whose event says the same."""
    return config.log.format == "console" or (config.log.format == "auto" and sys.stderr.isatty())
