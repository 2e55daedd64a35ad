"""A worker loads the engine that the settings name, with the models of each role."""

from muse.sizes import Size
from pipeline.config import Config
from pipeline.generation.engines.load import import_libraries, load_engine
from pipeline.generation.engines.muse_engine import ScoringMuseEngine
from pipeline.generation.engines.null_engine import NullEngine
from pipeline.models.locate import locate


def test_the_null_engine_needs_no_model():
    config = Config(engine="null")
    import_libraries(config)
    assert isinstance(load_engine(locate(config), config, on_gpu=False), NullEngine)


def test_the_embedded_models_load_by_role():
    config = Config()
    loaded = load_engine(locate(config), config, on_gpu=False)
    assert isinstance(loaded, ScoringMuseEngine)
    assert (loaded.sizes.own, loaded.device) == (Size(64, 64), "cpu")
    assert loaded.compiling == "off: nothing is compiled on a device of the kind cpu"
    assert loaded.guide is not loaded.judge
    assert loaded.refining.setup.method != loaded.engine.setup.method
