"""A kill -9 at any moment leaves nothing half written that can be read, and training goes on."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from contextlib import closing

import pytest

from .killing import CHECKPOINT, Trainings

# Of each checkpoint: writes it beside, puts it in its place, removes what is beside (nothing).
# After the eighth the weights, the settings, and the checkpoint is removed.
MOMENTS = [
    ("half", 1), ("os.rename", 1), ("half", 4), ("os.rename", 5), ("half", 9), ("os.rename", 9),
    ("os.rename", 10), ("os.remove", 11),
]  # fmt: skip


@pytest.fixture(scope="module")
def trainings(text, tmp_path_factory) -> Iterator[Trainings]:
    with closing(Trainings(tmp_path_factory.mktemp("killed"), text)) as found:
        yield found


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_a_kill_leaves_a_whole_autoencoder_or_none(moment, trainings, tmp_path):
    status, _ = trainings.run(tmp_path, moment)
    assert status == -signal.SIGKILL
    assert trainings.look(tmp_path) == (moment == ("os.remove", 11))
    assert (tmp_path / CHECKPOINT).exists() == (moment not in MOMENTS[:2])
    trainings.end(tmp_path)


def test_one_that_is_killed_again_and_again_comes_to_the_same_bytes(trainings, tmp_path):
    for moment in (("os.rename", 2), ("half", 3), ("os.rename", 3), ("half", 2), ("os.rename", 1)):
        status, _ = trainings.run(tmp_path, moment)
        assert status == -signal.SIGKILL
        assert not trainings.look(tmp_path)
    trainings.end(tmp_path)


def test_a_kill_as_another_takes_its_place_leaves_neither(trainings, tmp_path):
    assert trainings.run(tmp_path, learning_rate=0.001)[0] == 0
    other = trainings.kept(tmp_path)
    assert other != trainings.wanted
    status, _ = trainings.run(tmp_path, ("os.rename", 10), restart=True)
    assert status == -signal.SIGKILL
    assert not trainings.look(tmp_path)
    trainings.end(tmp_path)


def test_kills_at_any_moment(trainings):
    draw, before = random.Random(0), trainings.kills
    found = [trainings.trial(draw, times=2) for _ in range(2)]
    assert len(found) == 2
    assert trainings.kills > before


def test_what_a_kill_left_of_a_file_is_removed(trainings):
    """Beside the files of a training, and beside what safetensors writes first."""
    place = trainings.folder / "half"
    place.mkdir()
    for name in (".training.safetensors.0a1b2c3d", ".tmpS1sKbo"):
        (place / name).write_bytes(b"half")
    trainings.end(place)
