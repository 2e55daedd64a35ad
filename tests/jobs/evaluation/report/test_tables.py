"""Tables of an evaluation are drawn from its report alone."""

from jobs.evaluation.report import tables

FIGURE = {"mean": 0.5, "low": 0.41, "high": 0.6}


def test_a_table_has_a_head_and_rows_of_its_width():
    assert tables.head("a", "b") == ["| a | b |", "|---|---|"]
    assert tables.row("1", "2") == "| 1 | 2 |"


def test_figures_are_shown_with_their_intervals():
    assert tables.percent(FIGURE) == "50% (41 to 60)"
    assert tables.points(FIGURE, 100) == "+50.0 (+41.0 to +60.0)"


def test_a_confusion_table_has_a_row_for_each_target():
    counts = [[row * 8 + column for column in range(8)] for row in range(8)]
    lines = [*tables.confusion_table(counts, "generation")]
    assert len(lines) == 2 + 8
    assert lines[2].startswith("| amusement | 0 | 1 |")


def test_what_a_task_lacks_is_left_out():
    part = {"muse": {"generation": {"awe": {"mean": 1.0}}}}
    assert [*tables.split_table(part, "editing", ["awe"], "by target")][2:] == []
    assert tables.row("muse", "100%") in [
        *tables.split_table(part, "generation", ["awe"], "by target")
    ]


def test_every_setting_has_a_row_and_the_chosen_one_is_bold():
    figures = dict.fromkeys(("right", "success_examiner", "content", "cost"), FIGURE)
    settings = {"words": {"x1": {"generation": figures}, "x2": {"generation": figures}}}
    lines = [*tables.settings_table(settings, {"generation": {"words": "x2"}})]
    assert [line.split(" | ")[2] for line in lines[2:]] == ["x1", "**x2**"]
    assert len({line.count("|") for line in lines}) == 1


def test_the_best_rival_is_shown_with_the_difference_in_points():
    entry = {"arm": "direction", "setting": "8"}
    entry |= dict.fromkeys(("cost", "right", "muse", "difference"), FIGURE)
    lines = [*tables.equal_cost_table({"hard": entry})]
    assert "at equal cost (up to 1.2 x)" in lines[0]
    assert lines[2].startswith("| hard | direction, 8 | 0 | 50% (41 to 60) |")
    assert "+50.0 (+41.0 to +60.0)" in lines[2]


def test_an_arm_has_a_cell_for_each_task_that_any_arm_made():
    figures = {"right": FIGURE, "cost": {"mean": 61.6}}
    both = {"generation": figures, "hard": figures}
    lines = [*tables.right_table({"muse": both, "sdedit": {"mixtures": figures}})]
    names = "generating | generating, hard | cost | mixtures of two | cost"
    assert lines[0] == f"| right, in % | {names} |"
    assert lines[2:] == [
        "| muse, tokens fitted once (`muse`) | 50 (41 to 60) | 50 (41 to 60) | 62 |  |  |",
        "| noise added, denoised under the words (`sdedit`) |  |  |  | 50 (41 to 60) | 62 |",
    ]
