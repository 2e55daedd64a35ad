"""The command `muse-batch`. It imports the commands only once Ctrl-C is handled."""

from __future__ import annotations

import signal


def main() -> None:
    # While the commands are imported, nothing has begun: Ctrl-C ends the process without a
    # traceback. A command that runs handles it itself.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from jobs.commands import app

    app(prog_name="muse-batch")


if __name__ == "__main__":
    main()
