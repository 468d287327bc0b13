from pathlib import Path

from t2vgan.assemble import generator_file
from t2vgan.reports.sources import BATCH, Model, shared


def test_batches_are_shared_out_whole() -> None:
    whole = list(shared(3 * BATCH + 5, 0, 1))
    assert [len(rows) for _, rows in whole] == [BATCH, BATCH, BATCH, 5]
    assert sorted([*shared(3 * BATCH + 5, 0, 2), *shared(3 * BATCH + 5, 1, 2)]) == whole


def test_of_the_training_split_the_reference_are_other_clips(runs: tuple[Path, Path]) -> None:
    file = generator_file(runs[0])
    for split in ("test", "train"):
        source = Model(file, split, 8, quick=True)
        assert source.apart and len(source.others) == 8 and source.protocol()["reference"]["clips"] == 8
        evaluated, others = ({clips[i].key for i in places} for clips, places in (
            (source.clips, range(8)), (source.training, source.others)
        ))  # fmt: skip
        assert not evaluated & others
