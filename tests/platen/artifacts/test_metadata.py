from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.artifacts.metadata import DatasetMetadata, EncodedMetadata, Metadata, ModelMetadata, ReleaseMetadata
from platen.core.errors import CorruptError
from tests.committed import commit

COUNTS = st.dictionaries(st.text(), st.integers(0, 10**9))
METADATA = st.one_of(
    st.builds(DatasetMetadata, splits=st.none() | COUNTS, sizes=st.none() | COUNTS),
    st.builds(EncodedMetadata, splits=COUNTS),
    st.builds(ModelMetadata, steps=st.none() | st.integers(1), first_loss=st.none() | st.floats(0, 9)),
)


@given(METADATA)
def test_facts_are_read_as_they_were_written(metadata: Metadata) -> None:
    assert type(metadata).model_validate(metadata.facts()) == metadata


def test_what_is_not_known_is_no_fact() -> None:
    assert DatasetMetadata(resolution=64).facts() == {"resolution": 64}


def test_manifests_say_the_same_in_the_same_words() -> None:
    """A field that is renamed or left out changes digests: raise the version of the stage with it."""
    said = EncodedMetadata(family="flux", text="tokens", resolution=64, splits={"train": 2}, sizes={"64x64": 2})
    facts = {"family": "flux", "text": "tokens", "resolution": 64, "splits": {"train": 2}, "sizes": {"64x64": 2}}
    assert said.facts() == facts
    base = ModelMetadata(resolution=64, trained=True, reconstruction_l1=0.5, clip_loss=2.0)
    assert base.facts() == {"resolution": 64, "trained": True, "reconstruction_l1": 0.5, "clip_loss": 2.0}
    assert ModelMetadata(resolution=64, trained=False).facts() == {"resolution": 64, "trained": False}


def test_facts_that_a_reader_does_not_need_are_ignored(tmp_path: Path) -> None:
    folder = commit(tmp_path, {}, {"resolution": 64, "of_later_versions": True})
    assert ModelMetadata.of(folder) == ModelMetadata(resolution=64)


@pytest.mark.parametrize(
    ("kind", "facts", "says"),
    [
        (DatasetMetadata, {}, "facts.resolution: Field required"),
        (DatasetMetadata, {"resolution": 0}, "facts.resolution: Input should be greater than 0"),
        (
            DatasetMetadata,
            {"resolution": 64, "splits": {"train": "many"}},
            "facts.splits.train: Input should be a valid",
        ),
        (EncodedMetadata, {"text": "words"}, "facts.text: Input should be 'embeddings' or 'tokens'"),
        (ReleaseMetadata, {"model": None}, "facts.model: Input should be a valid string"),
    ],
)
def test_facts_that_do_not_fit_are_refused_by_manifest_and_field(
    tmp_path: Path, kind: type[Metadata], facts: dict[str, object], says: str
) -> None:
    folder = commit(tmp_path, {}, facts)
    with pytest.raises(CorruptError) as raised:
        kind.of(folder)
    assert str(raised.value).startswith(f"{folder.uri}/manifest.json: {says}")
