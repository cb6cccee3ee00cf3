"""``python -m scheduler_daemon`` is the command `scheduler`."""

from .cli import main

if __name__ == "__main__":
    main()
