"""The options of measuring commands, and where their reports go."""

import json

import pytest
from typer import BadParameter

from jobs.options import check_report_file, method_settings, write_report


def test_a_report_goes_into_a_new_folder_with_its_table_beside_it(tmp_path):
    file = tmp_path / "new" / "report.json"
    check_report_file(file)
    assert [*file.parent.iterdir()] == [], "nothing is left by the check"
    write_report(file, {"a": 1}, "| a |")
    assert json.loads(file.read_text()) == {"a": 1}
    assert file.with_suffix(".md").read_text() == "| a |"
    check_report_file(file)
    check_report_file(None)


@pytest.mark.parametrize("name", ["", ".", "report", "report.md", "folder.json"])
def test_what_is_no_json_file_is_refused(tmp_path, name):
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(BadParameter, match=r"name ends in \.json"):
        check_report_file(tmp_path / name)


def test_a_report_that_cannot_be_written_is_refused_with_the_reason(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadParameter, match=r"cannot be written \(File exists\); give a file"):
        check_report_file(tmp_path / "file" / "report.json")
    (tmp_path / "report.json").mkdir()
    with pytest.raises(BadParameter, match=r"cannot be written \(Is a directory\)"):
        write_report(tmp_path / "report.json", {}, "")


def test_parameters_of_the_method_have_a_value():
    assert method_settings(None) == []
    assert method_settings(["tokens=2"]) == ["method.tokens=2"]
    with pytest.raises(BadParameter, match="write key=value"):
        method_settings(["tokens=2", "steps"])
