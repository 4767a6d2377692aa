"""Sphinx settings: MyST pages, executed notebooks, reference from the docstrings; every warning is an error."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import dpsynth

project = "dpsynth"
author = "The dpsynth contributors"
project_copyright = "The dpsynth contributors, Apache-2.0"
release = dpsynth.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "examples", "**/.ipynb_checkpoints"]
default_role = "code"

html_theme = "furo"
html_title = "dpsynth"
html_show_sphinx = False
html_math_renderer = "mathml"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
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
    """Keep docstrings as people read them: no markup outside of `code`, and a drawing stays a drawing."""
    plain: list[str] = []
    drawing = False
    for place, line in enumerate(lines):
        indented = line.startswith("    ")
        if what == "module" and indented and not drawing and place and not lines[place - 1].strip():
            plain += ["::", ""]
            drawing = True
        elif line.strip() and not indented:
            drawing = False
        plain.append(line if drawing else "".join(map(_escaped, CODE.split(line))))
    lines[:] = plain


def _escaped(part: str) -> str:
    """Return one part of a line, `code` as it is."""
    return part if part.startswith("`") else re.sub(r"([*|])", r"\\\1", re.sub(r"(\w)_(?=\W|$)", r"\1\\_", part))


def write_formula(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula as MathML, which browsers show without a script from elsewhere."""
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def write_displayed_formula(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on a line of its own."""
    translator.body.append(f'<div class="formula">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Register both; docstrings are read before napoleon looks for their sections."""
    app.add_html_math_renderer("mathml", (write_formula, None), (write_displayed_formula, None))
    app.connect("autodoc-process-docstring", docstrings_are_plain_text, priority=400)
