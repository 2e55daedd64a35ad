"""The server of the local page: what it serves, and to whom."""

import asyncio
import json
import subprocess
import sys

import pytest
from aiohttp.test_utils import TestClient, TestServer

from pipeline.corpora.flags import read_flags
from pipeline.output.run.run_file import read_run
from pipeline.view.browser import Browser
from pipeline.view.server import HEADERS, application
from tests.support.corpora import rows_of

TOKEN = "secret-of-this-test"


@pytest.fixture
def ask(make_corpus):
    """Makes requests of a server for a corpus: method, path and what else there is."""
    out = make_corpus(keep_rejected=True)
    browser = Browser(out, out / "flags.parquet")

    def ask(*requests):
        async def answers():
            server = TestServer(application(browser, TOKEN), host="127.0.0.1")
            async with TestClient(server) as client:
                found = []
                for method, path, *more in requests:
                    options = more[0] if more else {}
                    response = await client.request(method, path, **options)
                    found.append((response.status, response.headers, await response.read()))
                return found

        return asyncio.run(answers())

    ask.out = out
    return ask


def test_the_page_and_its_files_are_served_with_the_headers_that_confine_them(ask):
    for path in ("", "view.js", "view.css"):
        ((status, headers, body),) = ask(("GET", f"/{TOKEN}/{path}"))
        assert status == 200
        assert body
        assert {name: headers[name] for name in HEADERS} == HEADERS
        assert b"http://" not in body.replace(b"http://www.w3.org/2000/svg", b"")
        assert b"https://" not in body


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/", {}),
        ("/wrong/", {}),
        (f"/{TOKEN}x/api/corpus", {}),
        (f"/{TOKEN}/", {"headers": {"Host": "evil.example"}}),
        (f"/{TOKEN}/", {"headers": {"Host": "evil.example:80"}}),
        (f"/{TOKEN}/", {"headers": {"Origin": "http://evil.example"}}),
        ("/favicon.ico", {}),
    ],
)
def test_other_hosts_other_sites_and_wrong_tokens_are_refused(ask, path, options):
    ((status, headers, body),) = ask(("GET", path, options))
    assert status == 403
    assert headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
    assert TOKEN.encode() not in body


@pytest.mark.parametrize(
    "path",
    ["view.html", "../server.py", "..%2Fserver.py", "%2e%2e/%2e%2e/pyproject.toml", "server.py"],
)
def test_no_other_file_is_served(ask, path):
    ((status, _, body),) = ask(("GET", f"/{TOKEN}/{path}"))
    assert status in (403, 404)
    assert b"import" not in body


def test_rows_pictures_and_samples(ask):
    rows = rows_of(ask.out)
    rejected = [n for n, row in enumerate(rows) if row["status"] == "rejected"]
    query = {"conditions": [{"column": "status", "operator": "is", "value": "rejected"}]}
    ((_, _, answer),) = ask(("POST", f"/{TOKEN}/api/query", {"json": query}))
    answer = json.loads(answer)
    assert answer["total"] == len(rejected)
    path = f"/{TOKEN}/api/items?answer={answer['id']}&start=0&count=100"
    first = rejected[0]
    found = ask(
        ("GET", path),
        ("GET", f"/{TOKEN}/api/sample/{first}"),
        ("GET", f"/{TOKEN}/thumbnail/{first}?side=160"),
        ("GET", f"/{TOKEN}/picture/{first}"),
        ("GET", f"/{TOKEN}/source/{first}"),
        ("GET", f"/{TOKEN}/picture/999999"),
    )
    items, sample = json.loads(found[0][2]), json.loads(found[1][2])
    assert [item["position"] for item in items] == rejected
    assert sample["row"]["key"] == items[0]["key"] == rows[first]["key"]
    assert sample["groups"]["judge"]["awe"] == rows[first]["judge_awe"]
    assert "in rejected/" in sample["place"]
    assert found[2][2][8:12] == b"WEBP"
    assert found[3][2][:4] == b"\x89PNG"
    assert found[3][1]["Content-Type"] == "image/png"
    assert [status for status, _, _ in found[4:]] == [404, 404]


def test_a_flag_is_saved_at_once_and_is_one_change(ask):
    keys = [row["key"] for row in rows_of(ask.out)[:3]]
    path = f"/{TOKEN}/api/flag"
    other = Browser(ask.out, ask.out / "flags.parquet")
    other.flag(keys[2:], "accept")
    ask(("POST", path, {"json": {"keys": keys[:2], "flag": "reject"}}))
    ask(("POST", path, {"json": {"keys": keys[1:2], "flag": None}}))
    saved = read_flags(ask.out / "flags.parquet", read_run(ask.out)).by_key
    assert saved == {keys[0]: "reject", keys[2]: "accept"}
    query = {"conditions": [{"column": "flag", "operator": "is", "value": "any"}]}
    ((_, _, answer),) = ask(("POST", f"/{TOKEN}/api/query", {"json": query}))
    assert json.loads(answer)["total"] == 2


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("api/flag", {"json": {"keys": ["../x"], "flag": "reject"}}),
        ("api/flag", {"json": {"keys": ["000000000001"], "flag": "maybe"}}),
        ("api/flag", {"json": {"keys": "all", "flag": "reject"}}),
        ("api/flag", {"data": b"{not json"}),
        ("api/flag", {"data": b"\xff\xfe"}),
        ("api/flag", {"data": b"[" * 200_000}),
        ("api/flag", {"data": b"1" * 5000}),
        # Digits of other scripts: what reads the flags later would refuse the file for good.
        ("api/flag", {"json": {"keys": ["\u0660" * 11 + "\u0661"], "flag": "accept"}}),
        ("api/flag", {"json": {"keys": ["\u00b2" * 12], "flag": "accept"}}),
        ("api/query", {"json": {"sort": "nothing"}}),
        ("api/query", {"json": 7}),
        ("api/query", {"data": b"x" * (2 << 20)}),
    ],
)
def test_bad_requests_are_answered_as_such_and_change_nothing(ask, path, options):
    ((status, _, body),) = ask(("POST", f"/{TOKEN}/{path}", options))
    assert status in (400, 413)
    assert b"Traceback" not in body
    assert not (ask.out / "flags.parquet").exists()


def test_a_position_that_is_no_number_of_a_row_is_not_found(ask):
    paths = [f"/{TOKEN}/{name}/{'9' * 5000}" for name in ("picture", "api/sample")]
    answers = ask(*[("GET", path) for path in paths])
    assert [status for status, _, _ in answers] == [404, 404]
    assert all(headers["Content-Security-Policy"] for _, headers, _ in answers)


def test_an_index_that_was_cut_meanwhile_is_an_answer(ask):
    index = ask.out / "metadata.parquet"
    index.write_bytes(index.read_bytes()[:50])
    ((status, headers, body),) = ask(("GET", f"/{TOKEN}/api/sample/1"))
    assert status == 500
    assert headers["Content-Security-Policy"]
    assert b"Parquet" in body


def test_a_damaged_picture_is_an_answer(ask):
    tar = ask.out / "shards" / "00000000.tar"
    data = bytearray(tar.read_bytes())
    start = data.index(b"IDAT")
    data[start : start + 40] = bytes(40)
    tar.write_bytes(data)
    rows = rows_of(ask.out)
    position = next(n for n, row in enumerate(rows) if row["status"] == "accepted")
    ((status, _, body),) = ask(("GET", f"/{TOKEN}/thumbnail/{position}"))
    assert status == 500
    assert b"00000000.tar is damaged: its content is not what was committed" in body


def test_pandas_is_imported_before_the_first_filter_needs_it(ask):
    code = (
        "import sys, threading, time; from pathlib import Path\n"
        "from pipeline.view.browser import Browser; from pipeline.view.server import serve\n"
        "browser = Browser(Path(sys.argv[1]), Path(sys.argv[1]) / 'flags.parquet')\n"
        "early = []\n"
        "note = lambda _: early.append('pandas' in sys.modules)\n"
        "threading.Thread(target=serve, args=(browser, 0, note), daemon=True).start()\n"
        "end = time.monotonic() + 60\n"
        "while 'pandas' not in sys.modules and time.monotonic() < end: time.sleep(0.05)\n"
        "print(early, 'pandas' in sys.modules)"
    )
    command = [sys.executable, "-c", code, ask.out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "[False] True\n", done.stderr
