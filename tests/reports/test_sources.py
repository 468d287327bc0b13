from t2vgan.reports.sources import BATCH, shared


def test_batches_are_shared_out_whole() -> None:
    whole = list(shared(3 * BATCH + 5, 0, 1))
    assert [len(rows) for _, rows in whole] == [BATCH, BATCH, BATCH, 5]
    assert sorted([*shared(3 * BATCH + 5, 0, 2), *shared(3 * BATCH + 5, 1, 2)]) == whole
