"""What a command that makes a corpus prints at its end: nothing, one or many of each kind."""

import pytest

from pipeline.cli.corpora.endings import print_endings


def _group(requests, reason, **more):
    rows = list(range(requests))
    return {"reason": reason, "is_same": True, "requests": requests, "rows": rows} | {
        "more_rows": False,
        **more,
    }


def _counts(failed=(), rejected=(), cut=0):
    def of(groups):
        return {"reasons": list(groups), "requests_of_other_reasons": 0}

    endings = {"failed": of(failed), "rejected": of(rejected)}
    endings["cut_prompts"] = _group(cut, "", most_tokens=5)
    numbers = {"requests": 9, "accepted": 7, "failed": len(failed), "rejected": len(rejected)}
    return numbers | {"endings": endings}


def test_where_all_went_well_there_is_one_line(capsys):
    print_endings("out", _counts())
    captured = capsys.readouterr()
    assert captured.out == "out: 9 requests: 7 accepted, 0 rejected, 0 failed\n"
    assert captured.err == ""


@pytest.mark.parametrize(("requests", "rows"), [(1, "row 0"), (3, "rows 0, 1, 2")])
def test_reasons_have_rows_and_say_where_every_one_is(capsys, requests, rows):
    print_endings("out", _counts([_group(requests, "no")], [_group(2, "judge")], cut=requests))
    err = capsys.readouterr().err
    assert f"  {requests} failed: no ({rows})\n  2 rejected: judge (rows 0, 1)\n" in err
    assert "every one: columns status and reason of out/metadata.parquet" in err
    assert f"\n  {requests} request(s) had a longer prompt" in err
    assert "warning" not in err


def test_a_corpus_that_was_complete_is_called_so(capsys):
    counts = _counts()
    del counts["endings"]
    print_endings("out", counts, was_complete=True)
    assert capsys.readouterr().out.startswith("out: was complete already; 9 requests")
