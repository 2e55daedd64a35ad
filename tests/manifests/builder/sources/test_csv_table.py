"""CSV and TSV as sources: their values, places and types, and what is wrong with them."""

import pyarrow as pa
import pytest

from manifests.check import ManifestError


def test_csv_has_quotes_lines_within_fields_and_empty_fields(read):
    text = '\ufeffprompt,x\r\n"a ""big"", dog\n on a beach",\r\n,\r\na cat,5\r\n'
    _, rows, skipped = read("t.csv", text)
    assert rows == [
        ("line 3", {"prompt": 'a "big", dog\n on a beach', "x": None}),
        ("line 5", {"prompt": "a cat", "x": 5}),
    ]
    assert list(skipped.lines()) == ["skipped 1: blank line (t.csv line 4)"]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        (["1", "-20", ""], pa.int64()),
        (["1", "2.5", ".5", "-1e-3"], pa.float64()),
        (["1", "x"], pa.string()),
        (["007", "5"], pa.string()),
        (["1_000"], pa.string()),
        (["9" * 18, "-9223372036854775808"], pa.int64()),
        (["12345678901234567891", "12345678901234567892"], pa.string()),
        (["1" + "0" * 5000], pa.string()),
        (["9007199254740993", "1.5"], pa.string()),
        (["1.5", "9007199254740993"], pa.string()),
        (["9007199254740992", "1.5"], pa.float64()),
        (["+491701234567"], pa.string()),
        (["\uff11\uff12"], pa.string()),
        (["0.12345678901234567891"], pa.string()),
        (["1e400"], pa.string()),
        (["1e-99999999999999999999"], pa.string()),
        (["1.10", "5.", "1.000000000000000056e-01", "1e+22", "0.0"], pa.float64()),
        (["", ""], pa.null()),
        (["nan"], pa.string()),
    ],
)
def test_a_csv_column_has_the_type_of_all_of_its_fields(read, fields, kind):
    rows = "".join(f"1984,{field}\n" for field in fields)
    source, items, _ = read("t.csv", f"prompt,x\n{rows}")
    assert source.extra == pa.schema([("x", kind)])
    assert pa.array([values["x"] for _, values in items], kind).null_count == fields.count("")
    assert {values["prompt"] for _, values in items} == {"1984"}


def test_tsv_keeps_commas(read):
    _, rows, _ = read("t.tsv", "text\tx\na, b\tc\n")
    assert rows == [("line 2", {"prompt": "a, b", "x": "c"})]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("t.csv", "prompt;emotion\n", "separates its columns by ';'; save it with commas"),
        ("t.csv", "prompt\temotion\n", "name it .tsv"),
        ("t.tsv", "prompt,emotion\n", "name it .csv"),
        ("t.csv", "", "is empty; its first line names the columns"),
        ("t.csv", "prompt,prompt\n", "is there twice"),
        ("t.csv", "prompt,\n", "line 1: has a column without a name"),
        ("t.csv", 'prompt\n"a dog\n', "line 2: is not valid"),
        ("t.csv", b"prompt\na caf\xe9\n", "line 2: is not UTF-8"),
    ],
)
def test_what_is_wrong_is_named_by_line(read, name, content, problem):
    with pytest.raises(ManifestError, match=problem):
        read(name, content)


def test_a_row_with_too_few_fields_is_a_problem_of_its_line(read):
    _, rows, _ = read("t.csv", "prompt,x\na dog\na cat,1\n")
    assert rows[0][1].startswith("has 1 fields, but the first line names 2 columns")
    assert rows[1] == ("line 3", {"prompt": "a cat", "x": 1})


def test_lines_may_end_as_on_an_early_macintosh(read):
    _, rows, _ = read("t.csv", 'prompt,x\ra dog,1\r"a\rcat",2\r')
    places = {"line 2": {"prompt": "a dog", "x": 1}, "line 4": {"prompt": "a\rcat", "x": 2}}
    assert dict(rows) == places
