"""Runs the command line as `python -m dpsynth`."""

from __future__ import annotations

from dpsynth.cli import main

if __name__ == "__main__":
    main()
