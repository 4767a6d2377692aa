"""Everything that is wrong with a schema is named at once, with line and column."""

from __future__ import annotations

import pytest

from dpsynth.errors import SchemaError
from dpsynth.schema.schema import Schema

HEAD = "name: trial\ndpsynth: {unit: {kind: row}}\nfields:\n"


def problems_of(text: str) -> list[str]:
    with pytest.raises(SchemaError) as refusal:
        Schema.from_text(text)
    assert all(problem.line > 0 for problem in refusal.value.problems), refusal.value.problems
    return [str(problem) for problem in refusal.value.problems]


def field_problems(field: str) -> list[str]:
    return problems_of(f"{HEAD}- {field}\n")


def test_all_problems_are_named_at_once_in_the_order_of_the_file() -> None:
    text = """\
name: my table!
dialect: {delimiter: ";;", encoding: rot13}
dpsynth:
  unit: {max_rows_per_unit: 3}
  pubic_rows: 100
fields:
- {name: age, type: integr}
- {name: age, type: integer, constraints: {minimum: 9, maximun: 5}}
- name: sex
  type: string
  categories: [m, f, m]
  categories: [x]
- {name: height, type: number, minimum: 3, dpsynth: {bins: [3, 2, 1]}}
- {name: born, type: date, format: "%H", constraints: {minimum: yesterday, maximum: FILL_IN}}
- {type: boolean, trueValues: [], dpsynth: {outside: clip}}
"""
    assert problems_of(text) == [
        "line 1, column 7: name: a data set id has letters, digits, '.', '_' and '-' and starts with a letter or digit",
        "line 2, column 22: dialect.delimiter: must be one character that is no letter, digit, quote or line break",
        "line 2, column 38: dialect.encoding: must be a text encoding that contains ASCII and keeps no state, such as "
        "utf-8 (with or without a byte order mark), latin-1, iso8859-15, cp1252, cp1250, cp1251, koi8-r, shift_jis, "
        "euc_jp, gb18030, big5 or euc_kr",
        "line 4, column 9: dpsynth.unit: say `kind: row` alone, or `id_column` with "
        "`max_rows_per_unit`; there is no default",
        "line 5, column 3: dpsynth.pubic_rows: unknown key; did you mean `public_rows`?",
        "line 7, column 21: column 'age': type: 'integr' is not known; did you mean "
        "'integer'? it must be one of string, integer, number, boolean, date, datetime",
        "line 8, column 10: column 'age': name: two columns are named 'age'",
        "line 8, column 43: column 'age': constraints.maximum: is missing: give it from "
        "public knowledge, or list bin edges",
        "line 8, column 56: column 'age': constraints.maximun: unknown key; did you mean `maximum`?",
        "line 12, column 3: column 'sex': categories: this key is given twice",
        "line 13, column 32: column 'height': minimum: unknown key here; it belongs under `constraints`",
        "line 13, column 60: column 'height': dpsynth.bins: bin edges must increase, each above the one before",
        "line 14, column 85: column 'born': constraints.maximum: still says FILL_IN; "
        "fill it in from public knowledge, never from the rows",
        "line 15, column 3: fields[5]: name: is missing",
    ]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("{name: x, type: string}", "column 'x': `categories` is missing"),
        ("{name: x, type: string, categories: []}", "needs at least one value"),
        ("{name: x, type: string, categories: [a, ' ']}", "categories[1]: a category must be text on one line"),
        ('{name: x, type: string, categories: ["a\\nb"]}', "must be text on one line"),
        ("{name: x, type: string, categories: [a, a]}", "categories[1]: 'a' cannot be told from another"),
        (
            "{name: x, type: string, categories: [a, '?'], missingValues: ['?']}",
            "'?' cannot be told from another category or from missing",
        ),
        ("{name: x, type: string, categories: ['=1', \"'=1\"]}", "categories[0]: '=1' cannot be told from another"),
        ("{name: x, type: string, categories: [a, other]}", "outside_label: 'other' is a declared category"),
        (
            "{name: x, type: string, categories: [a], missingValues: [other]}",
            "outside_label: 'other' is a declared category or means missing",
        ),
        (
            "{name: x, type: string, categories: [a], dpsynth: {outside: missing, outside_label: b}}",
            "only a text column with an outside slot",
        ),
        (
            "{name: x, type: string, categories: [a], constraints: {enum: [b]}}",
            "constraints.enum: differs from `categories`",
        ),
        (
            "{name: x, type: string, categories: [a], constraints: {minimum: 3}}",
            "constraints.minimum: means nothing for a column of kind 'categorical'",
        ),
        (
            "{name: x, type: string, categories: [a], dpsynth: {outside: clip}}",
            "outside: only numbers and moments can be clipped",
        ),
        (
            "{name: x, type: string, categories: [a], dpsynth: {kind: integer}}",
            "dpsynth.kind: a column of type 'string' can only be",
        ),
        ("{name: x, type: string, categories: [{label: b}]}", "categories[0].value: is missing"),
        ("{name: x, type: string, categories: [[a]]}", "categories[0]: must be one value"),
        ("{name: x, type: integer, categories: [1, b]}", "categories[1]: 'b' is not of type 'integer'"),
        ("{name: x, type: integer, categories: [1, 1.5]}", "categories[1]: '1.5' is not of type 'integer'"),
        ("{name: x, type: integer, categories: [1, 01]}", "categories[1]: '01' cannot be told from another"),
        ("{name: x, type: integer, categories: [9007199254740993]}", "too large"),
        (
            "{name: x, type: integer, categories: [1], constraints: {minimum: 1}}",
            "means nothing for a column of kind 'categorical'",
        ),
        ("{name: x, type: integer}", "constraints.minimum: is missing"),
        (
            "{name: x, type: integer, constraints: {minimum: 1.5, maximum: 3}}",
            "constraints.minimum: '1.5' is not a whole number",
        ),
        (
            "{name: x, type: integer, constraints: {minimum: 5, maximum: 3}}",
            "the minimum must not lie above the maximum",
        ),
        ("{name: x, type: integer, constraints: {minimum: 1_0, maximum: 30}}", "'1_0' is not a whole number"),
        ("{name: x, type: integer, constraints: {minimum: 0, maximum: 1e99}}", "bounds must lie between"),
        ("{name: x, type: integer, constraints: {minimum: 0, maximum: .inf}}", "'.inf' is not a whole number"),
        (
            "{name: x, type: integer, constraints: {minimum: 0, maximum: 9}, dpsynth: {decimals: 1}}",
            "decimals: means nothing",
        ),
        (
            "{name: x, type: integer, constraints: {minimum: 0, maximum: 9, required: true}, "
            "dpsynth: {outside: missing}}",
            "outside: a required column has no missing slot",
        ),
        (
            "{name: x, type: number, constraints: {minimum: 0}, dpsynth: {bins: [1, 2]}}",
            "constraints.minimum: differs from the outermost bin edge",
        ),
        ("{name: x, type: number, constraints: {minimum: inf, maximum: 3}}", "'inf' is not a number"),
        ("{name: x, type: number, dpsynth: {bins: [0, a, 2]}}", "bins[1]: 'a' is not a number"),
        (
            "{name: x, type: number, constraints: {minimum: 0, maximum: 1}, dpsynth: {bins: many}}",
            "bins: must be a whole number of bins, a list",
        ),
        (
            "{name: x, type: number, constraints: {minimum: 0, maximum: 1}, dpsynth: {bins: private-quantiles}}",
            "bins: must be a whole number of bins, a list of bin edges, `private-quantiles` with a number",
        ),
        (
            "{name: x, type: number, constraints: {minimum: 0}, dpsynth: {bins: private-tree}}",
            "constraints.maximum: is missing",
        ),
        (
            "{name: x, type: number, constraints: {minimum: 0, maximum: 1}, dpsynth: {bins: 4, cells: 100}}",
            "cells: means nothing without private bins",
        ),
        (
            "{name: x, type: number, constraints: {minimum: 0, maximum: 1}, "
            "dpsynth: {bins: private-tree, spread: private-histogram}}",
            "spread: private bins are spread by the noisy counts",
        ),
        (
            "{name: x, type: number, constraints: {minimum: 0, maximum: 1}, "
            "dpsynth: {bins: private-tree, rare: merge}}",
            "rare: private bins and histograms already say",
        ),
        ("{name: x, type: string, categories: private}", "categories: must be a list; where nobody lists the values"),
        ("{name: x, type: string, categories: [a], dpsynth: {cells: 5}}", "cells: means nothing for a column of kind"),
        (
            "{name: x, type: number, constraints: {minimum: 0, maximum: 1}, dpsynth: {bins: 0}}",
            "bins: the number of bins must lie between",
        ),
        (
            "{name: x, type: number, constraints: {minimum: 0, maximum: 1}, dpsynth: {spikes: [b]}}",
            "spikes[0]: 'b' is not a number",
        ),
        ("{name: x, type: number, constraints: {minimum: 0, maximum: 1}, dpsynth: {decimals: -1}}", "decimals: "),
        (
            "{name: x, type: boolean, trueValues: [Y], falseValues: [Y]}",
            "falseValues[0]: 'Y' cannot be told from the other value",
        ),
        ("{name: x, type: boolean, trueValues: [1], falseValues: ['1.0']}", "falseValues[0]: '1.0' cannot be told"),
        ("{name: x, type: boolean, trueValues: []}", "trueValues: needs at least one value"),
        ("{name: x, type: boolean, categories: [a]}", "categories: means nothing"),
        (
            "{name: x, type: date, constraints: {minimum: soon, maximum: 2020-01-01}}",
            "constraints.minimum: 'soon' is not a date",
        ),
        (
            "{name: x, type: date, format: any, constraints: {minimum: 2019-01-01, maximum: 2020-01-01}}",
            "format: must be `default` or a strptime pattern",
        ),
        (
            "{name: x, type: date, format: '%Y-%m', constraints: {minimum: 2019-01-01, maximum: 2020-01-01}}",
            "format: must be `default`",
        ),
        (
            "{name: x, type: datetime, format: '%Y-%m-%dT%H:%M%z', constraints: {minimum: "
            "2019-01-01, maximum: 2020-01-01}}",
            "format: must be `default`",
        ),
        (
            "{name: x, type: date, format: '%d.%m.%y', constraints: {minimum: 1920-01-01, maximum: 2020-01-01}}",
            "format: the pattern cannot write the whole range",
        ),
        (
            "{name: x, type: integer, format: default, constraints: {minimum: 0, maximum: 3}, example: 3}",
            "example: not used: an example may be somebody's cell",
        ),
        (
            "{name: x, type: integer, constraints: {minimum: 0, maximum: 3, unique: true}}",
            "constraints.unique: not used",
        ),
        (
            "{name: x, type: integer, constraints: {minimum: 0, maximum: 3, required: maybe}}",
            "constraints.required: must be true or false",
        ),
        ("{name: x, type: integer, constraints: 3}", "constraints: must be a mapping"),
        (
            "{name: x, type: integer, bins: 3, constraints: {minimum: 0, maximum: 3}}",
            "bins: unknown key here; it belongs under `dpsynth`",
        ),
        ("{name: x, type: integer, dpsynth: {minimum: 3}}", "minimum: unknown key"),
        ("{name: '', type: integer, constraints: {minimum: 0, maximum: 3}}", "name: must not be empty"),
        ("{name: ' ', type: integer, constraints: {minimum: 0, maximum: 3}}", "name: a column name must be text"),
        (
            '{name: "a\\nb", type: integer, constraints: {minimum: 0, maximum: 3}}',
            "name: a column name must be text on one line",
        ),
        ("{name: [a], type: integer}", "name: must be one text"),
        (
            "{name: x, type: integer, missingValues: x, constraints: {minimum: 0, maximum: 3}}",
            "missingValues: must be a list",
        ),
        (
            '{name: x, type: integer, missingValues: ["a\\n"], constraints: {minimum: 0, maximum: 3}}',
            "missingValues[0]: a missing value must stay on one line",
        ),
        ("x", "fields[0]: must be a mapping"),
        ("{name: x, type: string, categories: [a], dpsynth: {role: ignore}}", "fields: no column is left"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused(field: str, message: str) -> None:
    assert any(message in problem for problem in field_problems(field)), field_problems(field)


FIELD = "fields: [{name: x, type: integer, constraints: {minimum: 0, maximum: 3}}]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"name: t\n{FIELD}", "dpsynth: is missing"),
        (f"dpsynth: {{unit: {{kind: row}}}}\n{FIELD}", "`name` is missing"),
        (f"name: t\ndpsynth: {{}}\n{FIELD}", "dpsynth.unit: is missing"),
        (f"name: t\ndpsynth: {{unit: {{}}}}\n{FIELD}", "unit: say `kind: row` alone"),
        (f"name: t\ndpsynth: {{unit: row}}\n{FIELD}", "unit: must be a mapping"),
        (f"name: t\ndpsynth: {{unit: {{id_column: i}}}}\n{FIELD}", "needs `max_rows_per_unit`"),
        (f"name: t\ndpsynth: {{unit: {{id_column: i, max_rows_per_unit: 0}}}}\n{FIELD}", "max_rows_per_unit: "),
        (f"name: t\ndpsynth: {{unit: {{kind: row, max_rows_per_unit: 2}}}}\n{FIELD}", "unit: say `kind: row` alone"),
        (
            f"name: t\ndpsynth: {{unit: {{id_column: i, max_rows_per_unit: 2}}, ignore: [i]}}\n{FIELD}",
            "not listed under `ignore`",
        ),
        (f"name: t\ndpsynth: {{unit: {{kind: row}}, ignore: [x]}}\n{FIELD}", "no column is left"),
        (f"name: t\ndpsynth: {{unit: {{kind: row}}, public_rows: 0}}\n{FIELD}", "public_rows: "),
        (f"name: t\nprimaryKey: x\ndpsynth: {{unit: {{kind: row}}}}\n{FIELD}", "primaryKey: not used"),
        (
            f"name: t\ndataset: t\ndpsynth: {{unit: {{kind: row}}}}\n{FIELD}",
            "dataset: unknown key here; it belongs under `dpsynth`",
        ),
        (f"name: ../t\ndpsynth: {{unit: {{kind: row}}}}\n{FIELD}", "data set id"),
        ("name: t\ndpsynth: {unit: {kind: row}}\nfields: []\n", "fields: needs at least one entry"),
        ("name: t\ndpsynth: {unit: {kind: row}}\nfields: x\n", "fields: must be a list"),
        ("name: t\ndpsynth: {unit: {kind: row}}\n", "fields: is missing"),
        (
            "name: t\ndialect: {encoding: ascii}\ndpsynth: {unit: {kind: row}}\nfields: "
            "[{name: x, type: string, categories: [ä]}]\n",
            "encoding: cannot write the name or a value of column 'x'",
        ),
        (
            f"name: t\ndialect: {{encoding: utf-16}}\ndpsynth: {{unit: {{kind: row}}}}\n{FIELD}",
            "encoding: must be a text encoding",
        ),
        (
            f"name: t\nmissingValues: [[a]]\ndpsynth: {{unit: {{kind: row}}}}\n{FIELD}",
            "missingValues[0]: must be one value",
        ),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(text: str, message: str) -> None:
    assert any(message in problem for problem in problems_of(text)), problems_of(text)


def test_all_blanks_are_named_and_nothing_beside_them() -> None:
    text = """\
name: FILL_IN
dpsynth: {unit: FILL_IN, public_rows: FILL_IN}
fields:
- {name: a, type: FILL_IN, constraints: {minimum: FILL_IN, maximum: 3}}
- {name: b, type: string, categories: [FILL_IN]}
- {name: c, type: string, categories: [{value: FILL_IN, label: x}]}
"""
    assert [problem.partition(": ")[2].partition(": still says FILL_IN")[0] for problem in problems_of(text)] == [
        "name",
        "dpsynth.unit",
        "dpsynth.public_rows",
        "column 'a': type",
        "column 'a': constraints.minimum",
        "column 'b': categories[0]",
        "column 'c': categories[0].value",
    ]


def test_a_problem_is_said_once() -> None:
    text = HEAD + "- {name: x, type: integer, constraints: {minimum: 0, maximum: 3}, colour: red}\n"
    assert len(problems_of(text)) == 1
