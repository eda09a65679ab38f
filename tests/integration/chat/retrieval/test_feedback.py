"""The statement of feedback: how much nearer candidates are to the best texts than to all nearest ones."""

from collections.abc import Mapping

import numpy as np
import pytest

from functions.chat.retrieval.statements import FEEDBACK
from headwater.database.transactions import to_array
from tests.harness.chat_app import running_chat_app
from tests.harness.databases import FreshDatabase
from tests.harness.support import WORKSPACE


def test_best_texts_count_by_their_weights_but_not_for_themselves(database: FreshDatabase) -> None:
    one, other = np.eye(2, 384)
    with running_chat_app(database) as chat:
        for n, (text, vector) in enumerate(
            [
                ("The cat sat.", one),
                ("Dogs bark.", other),
                ("A bird sings.", 0.6 * one + 0.8 * other),
                ("The cat sat.", one),
            ]
        ):
            chat.add_document(f"{n}.md", text, vectors=[vector.tolist()])
        cat, dog, bird, copy = [chunk for (chunk,) in chat.rows("select id from chunks order by id")]
        [(model_id,)] = chat.rows("select distinct model_id from vectors")

        def gains(weights: Mapping[int, float]) -> dict[int, float]:
            values = {"best": weights, "weights": weights.values(), "chunks": [cat, dog, bird, copy]}
            values["nearest"] = [cat, dog]
            arrays = {name: to_array(numbers) for name, numbers in values.items()}
            return dict(chat.rows(FEEDBACK, workspace_id=WORKSPACE, model_id=model_id, **arrays))

        # For example, the bird: (1 × .6 + .5 × .8) / 1.5 - (.6 + .8) / 2 = -.033.
        expected = {cat: -0.5, dog: -0.5, bird: -1 / 30, copy: -0.5}
        assert gains({cat: 1.0, dog: 0.5}) == pytest.approx(expected, abs=1e-3)
        assert gains({cat: 1.0}) == pytest.approx({cat: 0.0, dog: -0.5, bird: -0.1, copy: 0.0}, abs=1e-3)
