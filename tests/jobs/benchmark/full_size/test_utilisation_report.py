"""The table of the utilisation of a device."""

from jobs.benchmark.full_size import utilisation_report


def test_a_value_that_was_not_measured_is_named():
    assert utilisation_report.shown(None, "s") == "(not measured)"
    assert utilisation_report.shown(1.25, "x") == "1.2 x"


def test_the_table_has_a_line_for_each_measurement():
    line = {
        "arm": "exact",
        "steps": 10,
        "rows": 4,
        "images_per_hour": 1200.0,
        "fraction_of_matmul": 0.5,
        "peak_gib": 3.25,
    }
    report = {
        "model": "sd15",
        "dtype": "bfloat16",
        "device": "a GPU",
        "matmul_tflops": 700.0,
        "reference_seconds_per_image": None,
        "full": [],
        "sweep": [line],
        "flat": None,
        "ratios": {"seconds_vs_reference": 5.5, "gpu_fraction_of_matmul": None},
    }
    text = utilisation_report.as_markdown(report)
    assert "takes (not measured) an image" in text
    assert "| exact | 10 | 4 | 1,200 | 50.0% | 3.2 GiB |" in text
    assert "| reference loop over the engine | 5.5 x | >= 10 x | missed |" in text
    assert "| share of the matmul rate | (not measured) | >= 35% |  |" in text


def test_every_goal_is_beside_its_figure():
    report = {
        "ratios": {"seconds_vs_reference": 12.0, "gpu_fraction_of_matmul": 0.4},
        "flat": {"after_first_gib": 10.0, "after_last_gib": 10.5},
    }
    met = [line.split(" | ")[1:] for line in utilisation_report.goal_lines(report)[2:]]
    assert met == [
        ["12.0 x", ">= 10 x", "met |"],
        ["40.0%", ">= 35%", "met |"],
        ["1.050 x", "<= 1.01 x", "missed |"],
    ]
