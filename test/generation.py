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

    engine.rewind(begin)
    steps = engine.generate(7, 6)
    assert engine.length == begin, "something happened before it was asked for"
    for count, (found, wanted) in enumerate(zip(steps, expected, strict=False), 1):
        assert found[0] == wanted[0] and found[1] == pytest.approx(wanted[1], abs=1e-5)
        assert engine.length == begin + count
        engine.rewind(engine.length)  # changes nothing, and disturbs nothing
    assert count == 6

    engine.rewind(begin)
    steps = engine.generate(7, 100)
    assert [next(steps)[0] for _ in range(3)] == [token for token, _ in expected[:3]]
    more = engine.extend([expected[2][0], expected[3][0]]).best()  # what was begun is forgotten
    assert [token for token, _ in more] == [token for token, _ in expected[3:5]]

    engine.rewind(begin)
    steps = engine.generate(7, 10 * positions)
    assert [next(steps)[0] for _ in expected] == [token for token, _ in expected]
    assert engine.length == positions
    with pytest.raises(EngineError, match=f"has {positions} positions"):
        next(steps)
