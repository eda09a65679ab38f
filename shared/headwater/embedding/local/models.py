"""The encoders that `headwater.embedding.export` builds."""

from dataclasses import replace

from headwater.embedding.local.encoder import EncoderSpec

MINILM = EncoderSpec(
    name="all-MiniLM-L6-v2",
    dim=384,
    max_tokens=256,  # sentence-transformers' max_seq_length for this model
    tokenizer="wordpiece",
    begin=101,
    end=102,
    tokens_per_s=8_300,
    languages=("en",),  # trained on English; of other languages it knows loan words and names
)

E5 = EncoderSpec(
    name="multilingual-e5-small",
    dim=384,
    max_tokens=512,
    tokenizer="unigram",
    begin=0,
    end=2,
    tokens_per_s=4_100,
    query_prefix="query: ",
    document_prefix="passage: ",
)

ENCODERS = {
    spec.name: spec
    for spec in (
        MINILM,
        replace(MINILM, name="all-MiniLM-L6-v2-int8", tokens_per_s=18_500),
        E5,
        replace(E5, name="multilingual-e5-small-int8", tokens_per_s=9_300),
    )
}
"""By name. An int8 model is two to four times as fast as the other of its weights, with slightly different vectors."""
