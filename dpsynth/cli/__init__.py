"""The command line; thin, no logic."""


def main() -> None:
    """Run the command line (console entry point)."""
    from dpsynth.cli.app import main as run

    run()


__all__ = ["main"]
