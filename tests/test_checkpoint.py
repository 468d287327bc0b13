import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from t2vgan import checkpoint, system
from t2vgan.checkpoint import FORMAT, FORMAT_VERSION, load_generator, save_generator

CONFIG = {"name": "savanna", "clip": {"size": 32, "frames": 16}, "prompts": ["a lion — at dusk"]}
CARD = {"clips_seen": 1000, "metrics": {"val/kid_probe": 0.25}}


def tensors() -> dict[str, torch.Tensor]:
    shared = torch.randn(4, 3)
    return {
        "generator.weight": shared,
        "generator.tied": shared,
        "generator.across": torch.arange(6.0).view(2, 3).t(),
        "text_encoder.count": torch.tensor(7),
        "text_encoder.half": torch.randn(5).bfloat16(),
        "text_encoder.empty": torch.zeros(0, 3),
        "text_encoder.mask": torch.tensor([True, False]),
    }


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "deep" / "generator.safetensors"
    save_generator(path, tensors(), CONFIG, CARD)
    return path


def header(path: Path) -> dict:
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length])


def test_everything_comes_back(tmp_path):
    path, before = tmp_path / "g.safetensors", tensors()
    save_generator(path, before, CONFIG, CARD)
    after, config, card = load_generator(str(path))
    assert config == CONFIG and card == CARD and after.keys() == before.keys()
    for name, tensor in before.items():
        assert after[name].dtype == tensor.dtype
        assert torch.equal(after[name], tensor)


def test_nothing_but_the_file_is_left(written):
    assert [entry.name for entry in written.parent.iterdir()] == ["generator.safetensors"]


def test_same_content_same_bytes(tmp_path):
    values = tensors()
    for name in "ab":
        save_generator(tmp_path / name, dict(reversed(values.items())) if name == "b" else values, CONFIG, CARD)
    assert checkpoint._digest(load_generator(tmp_path / "a")[0]) == checkpoint._digest(
        load_generator(tmp_path / "b")[0]
    )


def test_missing(tmp_path):
    with pytest.raises(ValueError, match="there is no such file"):
        load_generator(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="there is no such file"):
        load_generator(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.05, 0.3, 0.6, 0.9, 0.999])
def test_cut_off(written, share):
    content = written.read_bytes()
    written.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=r"damaged or cut off|not a t2vgan generator") as error:
        load_generator(written)
    assert "\n" not in str(error.value) and str(written) in str(error.value)


def test_flipped_bit_in_the_weights(written):
    content = bytearray(written.read_bytes())
    content[-3] ^= 1
    written.write_bytes(content)
    with pytest.raises(ValueError, match="checksum"):
        load_generator(written)


def test_damaged_metadata(written):
    content = written.read_bytes()
    damaged = content.replace(rb"{\"name\"", rb"x\"name\"")
    assert damaged != content
    written.write_bytes(damaged)
    with pytest.raises(ValueError, match="damaged"):
        load_generator(written)


@pytest.mark.parametrize(
    "content", [b"hello", b"PK\x03\x04 a zip, as torch.save writes it" * 20, bytes(64), b"\x02" + bytes(7) + b"[]"]
)
def test_foreign_bytes(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a t2vgan generator"):
        load_generator(path)


def test_foreign_safetensors(tmp_path):
    save_file({"w": torch.zeros(2)}, tmp_path / "w.safetensors", {"format": "pt"})
    save_file({"w": torch.zeros(2)}, tmp_path / "v.safetensors")
    for name in "wv":
        with pytest.raises(ValueError, match="not a t2vgan generator"):
            load_generator(tmp_path / f"{name}.safetensors")


@pytest.mark.parametrize("version", [str(FORMAT_VERSION + 1), "", "two"])
def test_newer(tmp_path, version):
    path = tmp_path / "new.safetensors"
    save_file({"w": torch.zeros(2)}, path, {"format": FORMAT, "format_version": version})
    with pytest.raises(ValueError, match="update t2vgan"):
        load_generator(path)


def test_a_failed_write_leaves_the_old_file(written, monkeypatch):
    before = written.read_bytes()

    def full(path: Path) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(system, "_sync", full)
    with pytest.raises(OSError, match="No space"):
        save_generator(written, {"w": torch.zeros(3)}, {}, {})
    assert written.read_bytes() == before
    assert len(list(written.parent.iterdir())) == 1


def test_what_is_not_plain_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(TypeError):
        save_generator(tmp_path / "g.safetensors", {}, {"path": Path("x")}, {})
    assert not list(tmp_path.iterdir())


def test_the_header_says_what_the_file_is(written):
    metadata = header(written)["__metadata__"]
    assert metadata["format"] == "t2vgan-generator" and metadata["format_version"] == "1"
    assert json.loads(metadata["config"]) == CONFIG
