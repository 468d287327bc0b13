"""The contract of all text encoders."""

import dataclasses

import pytest
import torch
from torch import nn

from t2vgan.shapes import TextInputs
from t2vgan.text import ENTITIES, TAGS, TEXT_ENCODERS, fit_words
from t2vgan.text.word_features import FLOOR, SentenceGiven

DIM, VECTOR, SENTENCE = 32, 10, 12


def inputs_of(lengths: list[int], *, seed: int = 0, longest: int = 0, vector: int = VECTOR) -> TextInputs:
    generator = torch.Generator().manual_seed(seed)
    size = (len(lengths), max(longest, *lengths))
    mask = torch.arange(size[1]) < torch.tensor(lengths)[:, None]
    return TextInputs(
        vectors=torch.randn(*size, vector, generator=generator) * mask[..., None],
        tags=torch.randint(1, len(TAGS), size, generator=generator) * mask,
        entities=torch.randint(0, len(ENTITIES), size, generator=generator) * mask,
        mask=mask,
        content=mask,
        sentences=torch.randn(len(lengths), SENTENCE, generator=generator),
    )


@pytest.fixture(params=TEXT_ENCODERS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[0, SENTENCE], ids=["of words", "of a language model"])
def encoder(request: pytest.FixtureRequest, name: str) -> nn.Module:
    torch.manual_seed(0)
    return TEXT_ENCODERS[name](vector_dim=VECTOR, sentence_dim=request.param, dim=DIM)


def test_shapes(encoder: nn.Module):
    features = encoder(inputs_of([4, 7, 1]))
    assert features.sentence.shape == (3, DIM) and features.words.shape == (3, 7, DIM)
    assert features.mask.tolist() == inputs_of([4, 7, 1]).mask.tolist()
    assert encoder.dim == DIM and features.words[~features.mask].abs().sum() == 0


def test_what_a_word_is_by_itself_is_the_same_in_every_sentence(encoder: nn.Module):
    one, other = inputs_of([4, 6]), inputs_of([4, 6], seed=1)
    for given, new in ((one.vectors, other.vectors), (one.tags, other.tags), (one.entities, other.entities)):
        given[:, 1:] = new[:, 1:]
    first, changed = (encoder(inputs).by_themselves() for inputs in (inputs_of([4, 6]), one))
    assert first.words.shape == (2, 6, DIM) and first.words[~first.mask].abs().sum() == 0
    torch.testing.assert_close(first.words[:, 0], changed.words[:, 0])
    assert (first.words[:, 1] - changed.words[:, 1]).abs().min(-1).values.max() > 1e-4
    assert first[1:].alone is not None and first[1:].alone.shape == (1, 6, DIM)
    assert not first.detach().by_themselves().words.requires_grad


def test_every_parameter_learns(encoder: nn.Module):
    features = encoder(inputs_of([6, 5, 6, 3, 8, 9, 9, 9, 9]))
    (features.sentence.square().sum() + features.words.pow(3).sum()).backward()
    still = [key for key, value in encoder.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    assert still == []


def test_more_padding_changes_nothing(encoder: nn.Module):
    short = inputs_of([5, 3])
    long = TextInputs(
        vectors=torch.cat([short.vectors, torch.full((2, 4, VECTOR), 9.0)], dim=1),  # not even zeros
        tags=nn.functional.pad(short.tags, (0, 4)),
        entities=nn.functional.pad(short.entities, (0, 4)),
        mask=nn.functional.pad(short.mask, (0, 4)),
        content=nn.functional.pad(short.content, (0, 4)),
        sentences=short.sentences,
    )
    one, other = encoder(short), encoder(long)
    assert torch.allclose(one.sentence, other.sentence, atol=1e-6)
    assert torch.allclose(one.words, other.words[:, :5], atol=1e-6)


def test_rows_are_independent(encoder: nn.Module):
    inputs = inputs_of([5, 7])
    inputs.vectors.requires_grad_()
    features = encoder(inputs)
    (features.sentence[0].sum() + features.words[0].sum()).backward()
    assert inputs.vectors.grad is not None
    assert inputs.vectors.grad[1].abs().sum() == 0 and inputs.vectors.grad[0].abs().sum() > 0
    assert inputs.vectors.grad[0, 5:].abs().sum() == 0, "nor does padding matter"


def test_the_same_again(encoder: nn.Module):
    one, other = encoder(inputs_of([5, 7])), encoder(inputs_of([5, 7]))
    assert torch.equal(one.sentence, other.sentence) and torch.equal(one.words, other.words)


@pytest.mark.parametrize("off", ["tags", "entities"])
def test_what_is_switched_off_is_not_read(name: str, off: str):
    torch.manual_seed(0)
    one, other = inputs_of([5, 7], seed=1), inputs_of([5, 7], seed=1)
    setattr(other, off, inputs_of([5, 7], seed=2).__dict__[off])
    without = TEXT_ENCODERS[name](vector_dim=VECTOR, dim=DIM, **{off: False})
    assert torch.equal(without(one).sentence, without(other).sentence)
    full = TEXT_ENCODERS[name](vector_dim=VECTOR, dim=DIM)
    assert not torch.allclose(full(one).sentence, full(other).sentence)


def test_word_order_matters_where_it_should(name: str, encoder: nn.Module):
    inputs = inputs_of([6])
    turned = inputs.per_word(lambda tensor: tensor.flip(1))
    same = torch.allclose(encoder(inputs).sentence, encoder(turned).sentence, atol=1e-5)
    assert same == (name == "bag_of_words" or isinstance(encoder.sentence, SentenceGiven))


def test_the_two_directions_of_the_recurrent_encoder_are_those_of_a_packed_gru():
    encoder = TEXT_ENCODERS["recurrent"](vector_dim=VECTOR, dim=DIM)
    inputs = inputs_of([4, 7, 1])
    both = nn.GRU(DIM, DIM // 2, batch_first=True, bidirectional=True)
    state = {key: value for key, value in encoder.forwards.state_dict().items()}
    both.load_state_dict(state | {f"{key}_reverse": value for key, value in encoder.backwards.state_dict().items()})
    words = encoder.word(inputs)
    packed = nn.utils.rnn.pack_padded_sequence(words, inputs.mask.sum(1), batch_first=True, enforce_sorted=False)
    context, _ = nn.utils.rnn.pad_packed_sequence(both(packed)[0], batch_first=True)
    assert torch.allclose(encoder(inputs).words, words + context, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options"), [("recurrent", {"dim": 33}), ("conv", {"kernel": 4}), ("conv", {"dim": 30})]
)
def test_sizes_that_cannot_be(name: str, options: dict[str, int]):
    with pytest.raises(ValueError, match=name):
        TEXT_ENCODERS[name](vector_dim=VECTOR, **options)


def alike(count: int = 40, *, seed: int = 0) -> torch.Tensor:
    """Vectors that have most of one direction in common, as animals have."""
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(VECTOR, generator=generator)
    return (
        3 * common
        + torch.randn(count, 1, generator=generator) * common
        + 0.3 * torch.randn(count, VECTOR, generator=generator)
    )


def test_words_that_are_alike_are_told_apart_once_they_are_whitened(name: str):
    encoder = TEXT_ENCODERS[name](vector_dim=VECTOR, dim=DIM, whiten=True)
    vectors, word = alike(), encoder.word
    before = torch.corrcoef(vectors).mean()
    fit_words(nn.ModuleList([encoder]), vectors)
    after = (vectors - word.centre) @ word.whitening
    assert before > 0.9 and torch.corrcoef(after).mean().abs() < 0.1
    variance = torch.linalg.eigvalsh(torch.cov(vectors.T))
    expected = (variance / (FLOOR * variance.max())).clamp(max=1)  # of each direction
    assert expected.min() < 0.9 and torch.allclose(torch.linalg.eigvalsh(torch.cov(after.T)), expected, atol=1e-3)
    inputs = inputs_of([4, 7, 1])
    plain = TEXT_ENCODERS[name](vector_dim=VECTOR, dim=DIM)
    plain.load_state_dict({k: v for k, v in encoder.state_dict().items() if "centre" not in k and "ing" not in k})
    told = dataclasses.replace(inputs, vectors=(inputs.vectors - word.centre) @ word.whitening)
    assert torch.allclose(encoder(inputs).words, plain(told).words, atol=1e-5)


def test_one_word_or_two_that_are_the_same_whiten_nothing_away(name: str):
    encoder = TEXT_ENCODERS[name](vector_dim=VECTOR, dim=DIM, whiten=True)
    encoder.word.fit(torch.zeros(0, 0))
    encoder.word.fit(torch.ones(1, VECTOR))
    assert torch.equal(encoder.word.whitening, torch.eye(VECTOR)) and encoder.word.centre.abs().sum() == 0
    encoder.word.fit(torch.ones(2, VECTOR))
    assert all(buffer.isfinite().all() for buffer in encoder.buffers())
