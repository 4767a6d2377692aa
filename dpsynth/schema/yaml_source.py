"""YAML and JSON text as a tree of the texts that stand in it, each with its line and column.

No value is interpreted: what YAML 1.1 would read as a truth value, a date or a number stays the text in the file.
Nothing is ever constructed from a tag. Repeated keys, tags, endless nesting and text that is not Unicode are problems.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from dpsynth.errors import SchemaProblem

BLANK = "FILL_IN"
"""What a draft writes wherever public knowledge is still missing."""

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list positions from the top of the file."""

Tree: TypeAlias = str | list["Tree"] | dict[str, "Tree"] | None

_DEEPEST = 20
_MOST_NODES = 200_000
_PLAIN_TAGS = "tag:yaml.org,2002:"


@dataclass(slots=True)
class YamlSource:
    """A parsed file.

    Attributes:
        tree: mappings, lists and texts; None where a key has no value. Blanks, and lists with blanks, are
            left out.
        problems: what is wrong with the file as YAML.
        blanks: where `FILL_IN` stands.
        faulty: where something is wrong already, so that its absence from the tree is no second problem.
        key_places: line and column of every key, from 1.
        value_places: line and column of every value, from 1.
    """

    tree: Tree = None
    problems: list[SchemaProblem] = field(default_factory=list)
    blanks: list[Path] = field(default_factory=list)
    faulty: set[Path] = field(default_factory=set)
    key_places: dict[Path, tuple[int, int]] = field(default_factory=dict)
    value_places: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def problem(self, path: Path, message: str, *, at_key: bool = False) -> SchemaProblem:
        """Return `message` with the place of `path`, or of the nearest part around it that the file has."""
        places = self.key_places if at_key and path in self.key_places else self.value_places
        known = path
        while known and known not in places:
            known = known[:-1]
        line, column = places.get(known, (0, 0))
        return SchemaProblem(self.name_of(path), message, line, column)

    def name_of(self, path: Path) -> str:
        """Return `path` for people, columns by name where the file gives one."""
        if not path:
            return "schema"
        if path[0] != "fields" or len(path) == 1:
            return _dotted(path)
        column = self.value_at((*path[:2], "name"))
        named = f"column '{column}'" if isinstance(column, str) else f"fields[{path[1]}]"
        return f"{named}: {_dotted(path[2:])}" if len(path) > len(("fields", 0)) else named

    def value_at(self, path: Path) -> Tree:
        """Return the part of the tree at `path`, or None."""
        here = self.tree
        for step in path:
            if isinstance(here, dict) and isinstance(step, str):
                here = here.get(step)
            elif isinstance(here, list) and isinstance(step, int) and step < len(here):
                here = here[step]
            else:
                return None
        return here


def read_yaml(text: str) -> YamlSource:
    """Return `text` as a tree; everything that is wrong with it is in `problems`."""
    source = YamlSource()
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        text = text.replace("\t", " ")  # JSON may be indented by tabs, and has none inside its texts
    try:
        root = yaml.compose(text.lstrip("\ufeff"), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark
        place = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
        source.problems.append(SchemaProblem("YAML", fault.problem or "cannot be read", *place))
    except yaml.YAMLError:
        source.problems.append(SchemaProblem("YAML", "the file holds characters that YAML does not allow"))
    except RecursionError:
        source.problems.append(SchemaProblem("YAML", "nested too deeply"))
    else:
        if not isinstance(root, yaml.MappingNode):
            source.problems.append(
                SchemaProblem("schema", "the file must be a mapping with `fields` and `dpsynth`", 1, 1)
            )
        else:
            _TreeBuilder(source).build_root(root)
    return source


class _TreeBuilder:
    """Walks the nodes once; aliases are followed, but neither for ever nor into a circle."""

    def __init__(self, source: YamlSource) -> None:
        self._source = source
        self._nodes = 0
        self._gave_up = False
        self._complaints: list[tuple[Path, str, yaml.Node]] = []

    def build_root(self, root: yaml.MappingNode) -> None:
        self._source.value_places[()] = _place(root)
        self._source.tree = self._mapping(root, ())
        for path, message, node in self._complaints:  # columns can be named only now
            self._source.problems.append(SchemaProblem(self._source.name_of(path), message, *_place(node)))

    def _build(self, node: yaml.Node, path: Path) -> Tree:
        self._nodes += 1
        self._source.value_places[path] = _place(node)
        if len(path) > _DEEPEST or self._nodes > _MOST_NODES:
            if not self._gave_up:
                self._complain(path, node, "nested too deeply, or too many values")
            self._gave_up = True
            return None
        if not node.tag.startswith(_PLAIN_TAGS) or "python" in node.tag:
            self._complain(path, node, "YAML tags are not used here; write the plain value")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._build(entry, (*path, place)) for place, entry in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> Tree:
        tree: dict[str, Tree] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._complain(path, key_node, "a key must be a plain word")
                continue
            key = _joined(key_node.value)
            if not _is_unicode(key):
                self._complain(path, key_node, "a key is not valid Unicode text")
                continue
            inner = (*path, key)
            if inner in self._source.key_places:
                self._complain(inner, key_node, "this key is given twice")
                continue
            self._source.key_places[inner] = _place(key_node)
            if self._is_blank(value_node, inner):
                continue
            value = self._build(value_node, inner)
            if value is not None:
                tree[key] = value
        return tree

    def _scalar(self, node: yaml.Node, path: Path) -> str | None:
        text = _joined(str(node.value))
        if not _is_unicode(text):
            self._complain(path, node, "this is not valid Unicode text")
            return None
        if node.tag == _PLAIN_TAGS + "null" and path and isinstance(path[-1], str):
            self._complain(path, node, "has no value; give one or remove the key")
            return None
        return text

    def _is_blank(self, node: yaml.Node, path: Path) -> bool:
        """Return whether a value is a blank, or a list with a blank in it."""
        if isinstance(node, yaml.SequenceNode):
            entries = [(entry, (*path, place)) for place, entry in enumerate(node.value)]
            found = [self._is_blank(entry, inner) for entry, inner in entries if isinstance(entry, yaml.ScalarNode)]
            return any(found)
        if isinstance(node, yaml.ScalarNode) and node.value.strip() == BLANK:
            self._source.value_places[path] = _place(node)
            self._source.blanks.append(path)
            self._source.faulty.add(path)
            return True
        return False

    def _complain(self, path: Path, node: yaml.Node, message: str) -> None:
        self._source.faulty.add(path)
        self._complaints.append((path, message, node))


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _joined(text: str) -> str:
    """Return `text` with JSON's escaped surrogate pairs joined into the characters that they mean."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _dotted(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
