"""Both readers say the same of any file: rows, cell by cell, and all else."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.compare_readers import compare
from poolmeter.config import Config, ProbeConfig, VoConfig, VoRule
from probe.fast import chunks
from tests.property.history_strategies import histories

ODD_CONFIG = Config(
    probe=ProbeConfig(
        site="T2_EX",
        bill_routed_source=True,
        network_other=("NetworkInputMb", "NetworkOther"),
        extra_attributes=("A", "WF_Thing", "Owner", "owner"),
        benchmark_attribute="WF_Thing",
    ),
    vo=VoConfig(
        rules=(
            VoRule(source="token_issuer", groups=("/cms", "/a")),
            VoRule(source="owner", map={"alice": "atlas"}),
            VoRule(source="x509_fqan"),
        )
    ),
)


@given(
    content=histories(),
    config=st.sampled_from((Config(), ODD_CONFIG)),
    chunk_bytes=st.sampled_from((256, 4096, chunks.CHUNK_BYTES)),
)
def test_both_readers_say_the_same_of_any_file(
    content: bytes, config: Config, chunk_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK_BYTES", chunk_bytes)
        path = Path(folder) / "history"
        path.write_bytes(content)
        assert compare(path, config).differences == []
