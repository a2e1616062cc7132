import pytest
import torch

from stylenet.optimization.methods import LBFGS, Adam


def bowl(size=30, seed=0):
    """Return a quadratic function with curvatures from 0.1 to 10, and its minimum."""
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(size, size, generator=generator, dtype=torch.float64)
    axes, _ = torch.linalg.qr(draw)
    curvature = axes @ torch.diag(torch.logspace(-1, 1, size, dtype=torch.float64)) @ axes.T
    lowest = torch.randn(size, generator=generator, dtype=torch.float64) * 30
    return lambda point: curvature @ (point - lowest), lowest


def descend(method, gradient, point, steps, rate=1.0, keep=None):
    points = [point]
    for _ in range(steps):
        before = gradient(point)
        after = point + rate * method.direction(before)
        after = after if keep is None else keep(after)
        method.learn(after - point, gradient(after) - before)
        point = after
        points.append(point)
    return points


def test_lbfgs_takes_pytorchs_steps():
    gradient, _ = bowl()
    start = torch.zeros(30, dtype=torch.float64)
    points = descend(LBFGS(5), gradient, start, 25)
    # PyTorch's first step differs, so the comparison starts with the second.
    parameter = points[0].clone().requires_grad_()
    theirs = torch.optim.LBFGS(
        [parameter], max_iter=1, history_size=5, tolerance_grad=0, tolerance_change=0
    )
    slope = gradient(points[0])
    factor = ((points[1] - points[0]).norm() / slope.norm()).item()
    group = theirs.param_groups[0]
    group["lr"] = factor * max(1.0, slope.abs().sum().item())
    for point in points[1:]:
        parameter.grad = gradient(parameter.detach())
        theirs.step(lambda: 1.0)
        group["lr"] = 1.0
        torch.testing.assert_close(parameter.detach(), point, rtol=1e-6, atol=1e-6)


def test_adam_takes_pytorchs_steps():
    gradient, _ = bowl()
    points = descend(Adam(), gradient, torch.zeros(30, dtype=torch.float64), 25, rate=0.3)
    parameter = torch.zeros(30, dtype=torch.float64, requires_grad=True)
    theirs = torch.optim.Adam([parameter], lr=0.3, betas=(0.9, 0.99))
    for point in points[1:]:
        parameter.grad = gradient(parameter.detach())
        theirs.step()
        torch.testing.assert_close(parameter.detach(), point, rtol=1e-9, atol=1e-9)


def test_lbfgs_finds_the_minimum():
    gradient, lowest = bowl()
    *_, last = descend(LBFGS(20), gradient, torch.zeros(30, dtype=torch.float64), 120)
    torch.testing.assert_close(last, lowest, rtol=1e-4, atol=1e-4)


def test_lbfgs_finds_the_minimum_within_bounds():
    curvature = torch.logspace(-1, 1, 30, dtype=torch.float64)
    lowest = torch.linspace(-30, 40, 30, dtype=torch.float64)

    def keep(point):
        return point.clamp(0, 10)

    start = torch.full((30,), 5.0, dtype=torch.float64)
    *_, last = descend(LBFGS(20), lambda x: curvature * (x - lowest), start, 100, keep=keep)
    torch.testing.assert_close(last, keep(lowest), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_lbfgs_does_not_depend_on_the_scale_of_the_loss(scale):
    gradient, _ = bowl()
    start = torch.zeros(30, dtype=torch.float64)
    plain = descend(LBFGS(5), gradient, start, 20)[-1]
    scaled = descend(LBFGS(5), lambda point: scale * gradient(point), start, 20)[-1]
    torch.testing.assert_close(scaled, plain, rtol=1e-5, atol=1e-5)


def test_the_first_lbfgs_step_is_a_tenth_of_a_level_on_average():
    move = LBFGS(5).direction(torch.tensor([3.0, -1.0, 0.0, 0.0]))
    assert move.abs().mean().item() == pytest.approx(0.1)
    assert move[0].item() < 0 < move[1].item()
    assert LBFGS(5).direction(torch.zeros(4)).abs().max() == 0


def test_lbfgs_drops_the_oldest_steps_and_those_without_curvature():
    method = LBFGS(2)
    for move in (1.0, 2.0, 3.0):
        method.learn(torch.full((4,), move), torch.ones(4))
    method.learn(torch.ones(4), -torch.ones(4))
    method.learn(torch.ones(4), torch.zeros(4))
    assert [float(move[0]) for move in method.state_dict()["moves"]] == [2.0, 3.0]


@pytest.mark.parametrize("make", [lambda: LBFGS(4), Adam])
def test_a_new_optimizer_continues_from_the_saved_state(make):
    gradient, _ = bowl()
    start = torch.zeros(30, dtype=torch.float64)
    uninterrupted = descend(make(), gradient, start, 12)
    first = make()
    half = descend(first, gradient, start, 6)[-1]
    second = make()
    second.load_state_dict(first.state_dict(), torch.device("cpu"))
    assert torch.equal(descend(second, gradient, half, 6)[-1], uninterrupted[-1])
