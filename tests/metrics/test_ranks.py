"""Two processes with uneven shares must find what one process finds over all clips."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from t2vgan.metrics import (
    AttributeAccuracy,
    ExtrapolatedFrechetVideoDistance,
    FrechetVideoDistance,
    JediFormVideoDistance,
    KernelVideoDistance,
    MongeVideoDistance,
    PrecisionRecall,
    extrapolated_frechet_distance,
    frechet_distance,
    jedi_kernel_distance,
    kernel_distance,
    mind_distance,
    precision_recall,
)

OTHERS = {
    "mind": MongeVideoDistance,
    "jedi": JediFormVideoDistance,
    "infinite": ExtrapolatedFrechetVideoDistance,
    "prdc": PrecisionRecall,
}

SHARES = (31, 14)


def data() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[dict[str, str]]]:
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(sum(SHARES), 6, generator=generator)
    fake = torch.randn(sum(SHARES), 6, generator=generator) + 0.4
    logits = torch.randn(sum(SHARES), 3, generator=generator)
    return real, fake, logits, [{"colour": "abc"[i % 3]} for i in range(sum(SHARES))]


def rank_main(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    mine = slice(0, SHARES[0]) if rank == 0 else slice(SHARES[0], None)
    real, fake, logits, truth = data()
    found = {}
    others = [(name, kind(dim=6)) for name, kind in OTHERS.items()]
    for name, metric in (("fd", FrechetVideoDistance(dim=6)), ("kid", KernelVideoDistance(dim=6)), *others):
        for batch in real[mine].split(10):
            metric.update(batch, real=True)
        if rank == 0:  # the other one saw no generated clip at all
            metric.update(fake, real=False)
        value = metric.compute()
        found[name] = value if isinstance(value, torch.Tensor) else torch.tensor(list(value.values()))
        if name == "fd":
            assert int(metric.real_n) == SHARES[rank], "what it had seen is its own again"
    accuracy = AttributeAccuracy(attributes={"colour": ["a", "b", "c"]})
    accuracy.update({"colour": logits[mine]}, truth[mine])
    found["accuracy"] = torch.tensor(list(accuracy.compute().accuracy["colour"]))
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, torch.Tensor]]:
    folder = Path(tmp_path_factory.mktemp("ranks"))
    mp.start_processes(rank_main, args=(str(folder),), nprocs=2, start_method="spawn")
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def test_ranks_agree_with_one_process(found: list[dict[str, torch.Tensor]]) -> None:
    real, fake, logits, truth = data()
    right = sum("abc"[int(row.argmax())] == clip["colour"] for row, clip in zip(logits, truth, strict=True))
    for values in found:
        assert values["fd"].item() == pytest.approx(frechet_distance(real, fake).item(), rel=1e-9)
        assert values["kid"].item() == pytest.approx(kernel_distance(real, fake).item(), rel=1e-9)
        assert values["mind"].item() == pytest.approx(mind_distance(real, fake).item(), rel=1e-9)
        assert values["jedi"].item() == pytest.approx(jedi_kernel_distance(real, fake).item(), rel=1e-9)
        assert values["infinite"].item() == pytest.approx(extrapolated_frechet_distance(real, fake).value, rel=1e-9)
        assert values["prdc"].tolist() == pytest.approx(list(precision_recall(real, fake)))
        assert values["accuracy"].tolist() == [right, len(truth)]
