"""Sphinx settings: MyST pages, executed notebooks, reference from the docstrings; every warning is an error."""

from __future__ import annotations

import re
import shutil
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

project = "dpsynth"
author = "The dpsynth contributors"
project_copyright = "The dpsynth contributors, Apache-2.0"
release = installed_version("dpsynth") if (HERE.parent / "dpsynth").is_dir() else ""

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "examples", "**/.ipynb_checkpoints"]
default_role = "code"

html_theme = "furo"
html_title = "dpsynth"
html_show_sphinx = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"] if not (HERE.parent / ".git").exists() else []

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": False}
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Privacy", "Source"]

# Notebooks live beside the package; Sphinx wants them below its own folder.
NOTEBOOKS = HERE / "_notebooks"
shutil.rmtree(NOTEBOOKS, ignore_errors=True)
shutil.copytree(
    HERE.parent / "notebooks", NOTEBOOKS, ignore=lambda _, names: [n for n in names if not n.endswith(".ipynb")]
)

CODE = re.compile(r"(`[^`]*`)")


def docstrings_are_plain_text(
    app: Sphinx, what: str, name: str, subject: object, options: object, lines: list[str]
) -> None:
    """Escape what reStructuredText would read as markup, outside of `code`: docstrings are written for people."""
    for place, line in enumerate(lines):
        parts = CODE.split(line)
        lines[place] = "".join(
            part if part.startswith("`") else re.sub(r"([*|])", r"\\\1", re.sub(r"(\w)_(?=\W|$)", r"\1\\_", part))
            for part in parts
        )


def setup(app: Sphinx) -> None:
    """Register the hook; it runs before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", docstrings_are_plain_text, priority=400)
