import json
from pathlib import Path

import numpy as np
import pytest

from models.net_load.model import ServedNetLoad
from models.registry.artifact import Parts
from models.registry.registry import Registry, content_hash, identified
from models.registry.trainer import Trainer
from tests.worlds.synthetic import make_frame, make_zone
from vpp.errors import DataError, ModelError

PRICE_ONLY: Parts = {"price": {"meta": b"{}", "x": np.arange(3.0)}}


@pytest.fixture(scope="module")
def trained() -> tuple[Parts, dict]:
    frame = make_frame(45, step_min=60)
    return Trainer(make_zone(60)).train(frame, frame.index[-1].to_pydatetime())


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models")


def test_a_saved_model_comes_back_the_same(registry: Registry, trained: tuple[Parts, dict]) -> None:
    saved = registry.save(*trained)
    other = Registry(registry._root)
    loaded = other.load(saved.model_id, saved.sha256)
    assert isinstance(loaded.net_load, ServedNetLoad)
    assert content_hash({"net_load": loaded.net_load.to_arrays()}) == content_hash({"net_load": trained[0]["net_load"]})
    shown = other.show(saved.model_id)
    assert shown["spec_hash"] == loaded.net_load.spec.hash
    assert {"since", "until", "rows", "data_sha256", "versions", "metrics"} <= set(shown)
    assert saved.model_id.startswith("T-20210214T2300-")


def test_saving_the_same_content_again_is_the_same_version(registry: Registry, trained: tuple[Parts, dict]) -> None:
    assert registry.save(*trained).model_id == registry.save(*trained).model_id
    assert len(registry.versions("T")) == 1


@pytest.mark.drill("damaged_model")
def test_a_damaged_model_is_refused_with_the_next_step(registry: Registry, trained: tuple[Parts, dict]) -> None:
    saved = registry.save(*trained)
    meta = next(registry._root.glob("T/*/net_load.meta.json"))
    meta.write_bytes(meta.read_bytes().replace(b"6", b"7", 1))
    with pytest.raises(ModelError, match="damaged") as caught:
        Registry(registry._root).load(saved.model_id, saved.sha256)
    assert caught.value.hint == "train again: vpp train"


def test_another_hash_than_the_promoted_one_is_refused(registry: Registry, trained: tuple[Parts, dict]) -> None:
    saved = registry.save(*trained)
    with pytest.raises(ModelError, match="was promoted"):
        registry.load(saved.model_id, "0" * 64)


def test_a_model_of_another_feature_table_is_refused(registry: Registry, trained: tuple[Parts, dict]) -> None:
    meta = json.loads(bytes(trained[0]["net_load"]["meta"]))
    changed = json.dumps({**meta, "spec_hash": "other"}).encode()
    parts = {**trained[0], "net_load": {**trained[0]["net_load"], "meta": changed}}
    with pytest.raises(ModelError, match="feature table"):
        registry.save(parts, trained[1])


@pytest.mark.parametrize("name", ["nothing-there", "../T", ".new-x", "a/b"])
def test_an_unknown_id_is_refused(registry: Registry, name: str) -> None:
    with pytest.raises(ModelError):
        registry.load(name)


def test_promotion_and_rollback(registry: Registry, trained: tuple[Parts, dict]) -> None:
    parts, metadata = trained
    first = registry.save(parts, metadata)
    scale = np.asarray(parts["net_load"]["error_scale"]) * 1.0001
    second = registry.save({**parts, "net_load": {**parts["net_load"], "error_scale": scale}}, metadata)
    assert registry.in_force("T") is None
    registry.promote(first.model_id)
    registry.promote(second.model_id)
    registry.promote(second.model_id)
    in_force = registry.in_force("T")
    assert in_force is not None
    assert in_force["model_id"] == second.model_id
    assert registry.rollback("T")["model_id"] == first.model_id
    with pytest.raises(ModelError):
        registry.rollback("T")
    assert registry.zones() == ["T"]


def test_the_id_says_zone_end_and_content() -> None:
    made = identified(PRICE_ONLY, {"zone": "A/B", "until": "2022-01-01T00:00:00Z"})
    assert made["model_id"] == f"A%2FB-20220101T0000-{content_hash(PRICE_ONLY)[:8]}"


def test_too_little_history_trains_nothing() -> None:
    frame = make_frame(6, step_min=60)
    with pytest.raises(DataError, match="too few"):
        Trainer(make_zone(60)).train(frame, frame.index[-1].to_pydatetime(), price=False)
