import numpy as np
import pytest

from t2vgan.datasets.savanna.geometry import bend, ellipse, fixed, path, point, smooth, stroke, turn


def area(outline):
    x, y = outline[0].T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def test_smooth_passes_through_the_given_points_and_rounds_a_square_towards_a_disc():
    square = fixed([(1, 0), (0, 1), (-1, 0), (0, -1)])
    outline = smooth(square, steps=8)
    assert outline.shape == (1, 32, 2)
    np.testing.assert_allclose(outline[:, ::8], square, atol=1e-12)
    assert area(square) < area(outline) < np.pi


def test_bend_keeps_the_lengths_of_both_bones_and_the_side():
    root, foot = point(0.0, 1.0), point(np.linspace(-0.3, 0.3, 5), 0.3)
    for side in (1, -1):
        knee = bend(root, foot, 0.5, 0.45, side)
        np.testing.assert_allclose(np.linalg.norm(knee - root, axis=-1), 0.5, atol=1e-9)
        np.testing.assert_allclose(np.linalg.norm(knee - foot, axis=-1), 0.45, atol=1e-9)
        line = foot - root
        turned = line[:, 0] * (knee - root)[:, 1] - line[:, 1] * (knee - root)[:, 0]
        assert (np.sign(turned) == side).all()


def test_bend_stretches_the_leg_towards_a_foot_out_of_reach():
    knee = bend(point(0.0, 1.0), point(0.0, -5.0), 0.5, 0.5, 1)
    np.testing.assert_allclose(knee, [[0, 0.5]], atol=0.02)


def test_stroke_of_a_straight_line_has_its_width_and_blunt_ends():
    outline = stroke(path(point(0.0, 0.0), point(1.0, 0.0), point(2.0, 0.0)), (0.2, 0.2, 0.2))
    assert np.ptp(outline[..., 1]) == pytest.approx(0.2)
    assert np.ptp(outline[..., 0]) == pytest.approx(2.2)


def test_turn_and_ellipse_follow_one_angle_per_instant():
    angles = np.array([0.0, np.pi / 2])
    shapes = ellipse(point(np.array([0.0, 3.0]), 0.0), 2.0, 1.0, angles, n=40)
    np.testing.assert_allclose(np.ptp(shapes[0], axis=0), [4, 2], atol=0.02)
    np.testing.assert_allclose(np.ptp(shapes[1], axis=0), [2, 4], atol=0.02)
    np.testing.assert_allclose(turn(fixed([(1, 0)]), angles)[1], [[0, 1]], atol=1e-12)
