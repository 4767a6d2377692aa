from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

from dpsynth.certification.dependencies import CORE, NEURAL, dependencies_of, digest_of_packages

PROJECT = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def names(requirements: list[str]) -> list[str]:
    return [re.split(r"[<>=\[;]", requirement)[0].strip() for requirement in requirements]


def test_the_roots_are_those_of_the_package() -> None:
    assert [*CORE] == names(PROJECT["dependencies"])
    assert [*NEURAL] == names(PROJECT["optional-dependencies"]["neural"])


def test_every_package_is_there_with_version_and_digest() -> None:
    section = dependencies_of("mst", {})
    packages = {package.name: package for package in section.packages}
    assert [*packages] == sorted(packages)
    assert packages["numpy"].version == metadata.version("numpy")
    assert packages["numpy"].files_sha256 is not None
    assert "markupsafe" in packages  # needed by jinja2 only
    assert "pytest" not in packages
    assert section.sha256 == digest_of_packages(section.packages)
    assert dependencies_of("mst", {"anything": 1}) == section


def test_a_training_rests_on_more_packages_if_they_are_installed() -> None:
    core = {package.name for package in dependencies_of("auto", {"chosen": "mst"}).packages}
    trained = {package.name for package in dependencies_of("dpctgan", {}).packages}
    assert core <= trained
    installed = {name for name in NEURAL if name in {dist.name.lower() for dist in metadata.distributions()}}
    assert installed <= trained
    assert not core & {"torch", "opacus"}
