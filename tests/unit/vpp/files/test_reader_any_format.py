"""A table written in a random format is read back cell by cell, or refused; never read as something else."""

import os

import numpy as np
import pytest

from tests.worlds.written_files import write_file
from vpp.files.mapping import parse_mapping
from vpp.files.reader import inspect_file, read_frame

QUICK = range(150)
ALL = range(150, int(os.environ.get("VPP_TEST_FILES", "600")))


def check(folder, seed):
    written = write_file(folder, seed)
    mapping = parse_mapping(written.mapping, f"seed {seed}")
    info = inspect_file(written.path, mapping)
    assert set(info.zones) == set(written.truth), seed
    for zone, truth in written.truth.items():
        read = read_frame(written.path, zone, mapping=mapping, info=info)
        there = truth.dropna(how="all")
        assert info.spans[zone].step_min == written.step_min, seed
        read = read.reindex(there.index)
        for name in truth.columns:
            np.testing.assert_allclose(
                read[name].to_numpy(), there[name].to_numpy(), rtol=1e-12, err_msg=f"seed {seed}, {zone} {name}"
            )
    written.path.unlink()


@pytest.mark.parametrize(
    "seeds", [QUICK[i : i + 50] for i in range(0, len(QUICK), 50)], ids=lambda seeds: f"{seeds[0]}"
)
def test_what_was_written_is_read(tmp_path, seeds):
    for seed in seeds:
        check(tmp_path, seed)


@pytest.mark.slow
def test_what_was_written_is_read_in_many_formats(tmp_path):
    for seed in ALL:
        check(tmp_path, seed)
