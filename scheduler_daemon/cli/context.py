"""What a command knows of the command line around it."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..config import Config


@dataclass(slots=True)
class Context:
    """The global options, and the configuration that they lead to."""

    #: `--config`.
    config_path: Path | None = None
    #: Options that win over the environment and the file, by key path.
    overrides: dict[str, str] = field(default_factory=dict)
    #: `-v`: say which database is used.
    verbose: bool = False
    _config: Any = None

    def config(self) -> "Config":
        """Return the configuration, read once; raise ConfigError."""
        if self._config is None:
            from ..config import load_config

            self._config = load_config(self.config_path, self.overrides, os.environ)
        return self._config  # type: ignore[no-any-return]

    def logs(self) -> None:
        """Set the log up as the configuration says."""
        from ..logs import configure

        log = self.config().log
        configure(log.level, log.format)
