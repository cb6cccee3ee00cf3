"""`scheduler run`: the daemon."""

import click

from ..app import build, open_store
from ..config import load_config
from ..daemon import Daemon
from ..statefile import StateFile
from .main import Context


@click.command()
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
        box: list[Daemon] = []

        def wake() -> None:
            if box:
                box[0].wake()

        def reload() -> None:
            fresh = load_config(context.config_path, context.overrides)
            box[0].app.config.retry = fresh.retry
            box[0].app.config.email = fresh.email
            box[0].app.config.folder = fresh.folder
            box[0].app.config.daemon.deadline = fresh.daemon.deadline
            box[0].app.config.daemon.max_per_claim = fresh.daemon.max_per_claim
            box[0].app.config.daemon.drain = fresh.daemon.drain

        box.append(Daemon(build(config, store, wake), state, reload))
        return box[0].run()
