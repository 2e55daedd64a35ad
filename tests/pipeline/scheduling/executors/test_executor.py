import ray.exceptions

from pipeline.scheduling.executors.executor import cause_of


def test_the_error_of_a_worker_is_told_whole_and_without_ray():
    error = ValueError("vae.safetensors cannot be opened: no such tensor\n  Put it there")
    told = "vae.safetensors cannot be opened: no such tensor; Put it there"
    assert cause_of(error) == told
    assert cause_of(ray.exceptions.RayTaskError("load", "traceback", error)) == told


def test_of_what_ray_itself_says_the_last_line_is_reported():
    error = ray.exceptions.RayError("The actor died.\n  class_name: Worker\nIts node is gone.\n")
    assert cause_of(error) == "Its node is gone."
    assert cause_of(ray.exceptions.RayError()) == "RayError"
