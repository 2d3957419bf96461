"""Which snapshot is the best, and when a run gets no better."""

from __future__ import annotations

from generate.training.stats import best_row, has_stopped_improving, is_out_of_time


def test_the_best_snapshot_has_the_lowest_distance_without_copying():
    rows = [
        {"step": 1, "frechet": 50.0, "copies": 0.0},
        {"step": 2, "frechet": 30.0, "copies": 0.01},
        {"step": 3, "frechet": 20.0, "copies": 0.5},
        {"step": 4, "frechet": 40.0, "copies": 0.0},
    ]

    assert best_row(rows)["step"] == 2
    assert best_row(rows[2:3])["step"] == 3  # where all copy, the least bad
    assert best_row([{"step": 7}, {"step": 8}])["step"] == 8  # nothing was measured
    assert best_row([row | {"fid": row["step"]} for row in rows])["step"] == 1
    assert has_stopped_improving(rows, patience=2)
    assert not has_stopped_improving(rows, patience=3)


def test_the_hours_of_all_starts_count_together():
    assert is_out_of_time([{"seconds": 3000.0}], 600.0, hours=1)
    assert not is_out_of_time([{"seconds": 3000.0}], 599.0, hours=1)
    assert not is_out_of_time([], 0.0, hours=0.001)
