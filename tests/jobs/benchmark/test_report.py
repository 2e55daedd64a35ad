"""The tables and the plot of a benchmark, from a small report."""

from jobs.benchmark import report

PLAN = {
    "requests": 2,
    "cost_per_request": 50.0,
    "reached": False,
    "accepted": 0.5,
    "confirmed": 1.0,
    "candidates": 3,
    "curve": [[10.0, 0.0], [50.0, 0.5]],
}
ARM = {
    "requests": 2,
    "seconds_per_image": 0.5,
    "accepted": 0.5,
    "accepted_images_per_hour": 3600.0,
    "success_examiner": 1.0,
    "success_judge": 0.5,
    "success_guide": 1.0,
    "clip_t": 0.3,
}
REPORT = {
    "ratios": {"batch_vs_single": 2.5, "gpu_fraction_of_matmul": None},
    "plans": {"muse": PLAN, "muse_hard": PLAN},
    "emotions": {"rejection": {"awe": PLAN}, "muse": {"awe": PLAN}},
    "slots": [{"slots": 1, "seconds_per_image": 1.0, "fraction_of_matmul": 0.25}],
    "arms": {"engine": ARM},
    "command": {
        "startup": {"ray": 2.0},
        "steady": 5.0,
        "worker": 4.0,
        "parts": {"network": 3.0},
    },
    "gflop": {"forward": 1.0},
    "peak_memory_mb": 900.0,
    "seconds": 120.0,
}


def test_every_table_has_as_many_cells_in_each_row_as_in_its_header():
    tables = [block.split("\n") for block in report.as_markdown(REPORT).split("\n\n")]
    tables = [lines for lines in tables if lines[0].startswith("|")]
    assert len(tables) == 5
    for lines in tables:
        assert len({line.strip().count("|") for line in lines}) == 1, lines


def test_what_is_missing_is_named():
    text = report.as_markdown(REPORT)
    assert "| gpu_fraction_of_matmul | not measured |" in text
    assert "50 (90% not reached)" in text


def test_the_plot_is_written(tmp_path):
    report.draw(REPORT, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
