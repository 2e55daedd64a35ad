"""What the local page is answered, also while a tar is read whole."""

import shlex
import threading

import pytest

from pipeline.output.integrity import changed_file
from pipeline.view import pictures as pictures_module
from pipeline.view.browser import Browser
from pipeline.view.rows import FinishedRows
from tests.support.corpora import rows_of


def opened(out):
    return Browser(out, out / "flags.parquet")


def test_the_neighbours_of_an_open_sample_are_read_with_it(make_corpus, monkeypatch):
    out = make_corpus()
    browser, read, group_at = opened(out), [], FinishedRows.group_at

    def noting(rows, position):
        read.append(position)
        return group_at(rows, position)

    monkeypatch.setattr(FinishedRows, "group_at", noting)
    keys = [browser.sample(position)["row"]["key"] for position in (7, 8, 6, 29)]
    assert keys == [rows_of(out)[position]["key"] for position in (7, 8, 6, 29)]
    assert read == [7]
    with pytest.raises(IndexError):
        browser.sample(30)
    browser.reload()
    browser.sample(8)
    assert read == [7, 30, 8]


def test_samples_are_found_by_their_flags(make_corpus):
    out = make_corpus()
    browser = opened(out)
    keys = [row["key"] for row in rows_of(out)]
    browser.flag(keys[3:5], "reject")
    browser.flag(keys[9:10], "accept")
    flagged = {"any": [3, 4, 9], "reject": [3, 4], "accept": [9]}
    flagged["none"] = [place for place in range(len(keys)) if place not in flagged["any"]]
    for value, expected in flagged.items():
        conditions = [{"column": "flag", "operator": "is", "value": value}]
        answer = browser.query({"conditions": conditions, "sort": "key", "descending": True})
        items = browser.items(answer["id"], 0, 100)
        assert [item["position"] for item in items] == expected[::-1]


def test_the_command_that_it_tells_is_one_for_a_shell(make_corpus):
    out = make_corpus("out of <b> $HOME")
    words = shlex.split(opened(out).summary()["command"])
    assert words[:5] == ["muse-batch", "refilter", str(out), "--flags", str(out / "flags.parquet")]


def test_all_else_is_answered_while_a_tar_is_read_whole(make_corpus, monkeypatch):
    out = make_corpus(batch_size=8, min_confidence=0.0)
    browser, begun, go_on = opened(out), threading.Event(), threading.Event()
    shards = browser.columns.column("shard").to_pylist()
    other = shards.index("shards/00000001.tar")

    def waiting(output, name, sha256):
        if name == shards[0]:
            begun.set()
            assert go_on.wait(60)
        return changed_file(output, name, sha256)

    monkeypatch.setattr(pictures_module, "changed_file", waiting)
    reading = threading.Thread(target=browser.picture, args=[0])
    reading.start()
    assert begun.wait(60)

    def ask():
        browser.query({})
        browser.flag(["000000000001"], "reject")
        browser.sample(other)
        assert browser.thumbnail(other, 160)
        go_on.set()

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join(30)
    answered = go_on.is_set()
    go_on.set()
    reading.join(60)
    asking.join(60)
    assert answered


def test_two_pages_lose_no_flag_of_each_other(make_corpus, tmp_path):
    out, path = make_corpus(), tmp_path / "flags.parquet"
    keys = [row["key"] for row in rows_of(out)][:8]
    pages = [Browser(out, path), Browser(out, path)]

    def flag(page, mine):
        for key in mine:
            page.flag([key], "reject")

    threads = [
        threading.Thread(target=flag, args=(page, keys[half::2])) for half, page in enumerate(pages)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(Browser(out, path).flags.by_key) == sorted(keys)
