"""What every engine must keep: generating is decoding a token at a time."""

from __future__ import annotations

import pytest

from mmser_ros.runtime.engine import Engine, EngineError, Prefix


def check_generation(engine: Engine, prefix: Prefix, positions: int) -> None:
    """Compare, on the sequence behind ``prefix``, also stopped early and at the last position."""
    engine.prefill(prefix, (2, 9), 1)
    begin, token, expected = engine.length, 7, []
    while engine.length < positions:
        expected.append(next(engine.extend([token]).best()))
        token = expected[-1][0]
    tokens = [token for token, _ in expected]
    assert len(set(tokens)) > 3, "the tokens are too much alike to test with"

    def generated(count: int):
        """From the same place, where the cache holds something else."""
        engine.rewind(begin)
        engine.extend([5] * (positions - begin))
        engine.rewind(begin)
        steps = engine.generate(7, count)
        assert engine.length == begin, "something happened before it was asked for"
        return steps

    steps = generated(6)
    for count, wanted in enumerate(expected[:6], 1):
        found = next(steps)
        assert found[0] == wanted[0] and found[1] == pytest.approx(wanted[1], abs=1e-5)
        assert engine.length == begin + count
        engine.rewind(engine.length)  # changes nothing, and disturbs nothing
    assert next(steps, None) is None

    steps = generated(100)
    assert [next(steps)[0] for _ in range(3)] == tokens[:3]
    more = engine.extend(tokens[2:4]).best()  # what was begun ahead is forgotten
    assert [token for token, _ in more] == tokens[3:5]

    steps = generated(10 * positions)
    assert [next(steps)[0] for _ in tokens] == tokens
    assert engine.length == positions
    with pytest.raises(EngineError, match=f"has {positions} positions"):
        next(steps)
