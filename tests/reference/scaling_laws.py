"""Scaling laws fitted with NumPy: the oracle of the loss-prediction tests.

An implementation of its own: Huber's loss by iteratively reweighted Gauss-Newton steps with Levenberg's damping from many random starts,
intervals by bisection on the refitted sum of squares. Prints JSON; `python3 scaling_laws.py > fixtures/scaling_laws.json`.
"""
import json
import math

import numpy as np

DELTA = 1e-3
# Student's t, two-sided 95 %, for 1 to 12 degrees of freedom (any statistics table).
T95 = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788]


def model(theta, x):
    """theta: e, then a and alpha of each term; x: (n, K) logarithms about their centre. Returns log L (n) and its Jacobian (n, p)."""
    parts = [np.full(len(x), theta[0])] + [theta[1 + 2 * k] - theta[2 + 2 * k] * x[:, k] for k in range(x.shape[1])]
    parts = np.stack(parts)
    top = parts.max(0)
    f = top + np.log(np.exp(parts - top).sum(0))
    share = np.exp(parts - f)
    columns = [share[0]]
    for k in range(x.shape[1]):
        columns += [share[1 + k], -share[1 + k] * x[:, k]]
    return f, np.stack(columns, 1)


def huber(r):
    u = np.abs(r) / DELTA
    return np.where(u <= 1, u * u / 2, u - 0.5).sum()


def squares(r):
    return (r * r).sum() / 2 / DELTA ** 2


def minimise(x, y, theta, error, iterations=3000):
    damping, best = 1e-3, None
    f, j = model(theta, x)
    best = error(f - y)
    for _ in range(iterations):
        r = f - y
        w = np.minimum(1, DELTA / np.maximum(np.abs(r), 1e-300)) if error is huber else np.ones(len(r))
        h, g = (j.T * w) @ j, (j.T * w) @ r
        moved = False
        while damping < 1e12:
            step = np.linalg.lstsq(h + damping * (np.diag(np.diag(h)) + 1e-12 * np.eye(len(theta))), -g, rcond=None)[0]
            candidate = theta + np.clip(step, -2, 2)
            fc, jc = model(candidate, x)
            value = error(fc - y)
            if value < best:
                gain = best - value
                theta, f, j, best, damping, moved = candidate, fc, jc, value, max(damping / 10, 1e-14), True
                break
            damping *= 10
        if not moved or gain < 1e-15 * (1 + best):
            break
    return theta, best


def fit(x, y, seed, starts=60):
    rng = np.random.default_rng(seed)
    k = x.shape[1]
    found = []
    for _ in range(starts):
        shares = rng.dirichlet(np.ones(k + 1))
        theta = [math.log(shares[0] + 1e-3) + y.mean()]
        for i in range(k):
            theta += [math.log(shares[1 + i] + 1e-3) + y.mean(), rng.uniform(0.05, 1.2)]
        ls, _ = minimise(x, y, np.array(theta), squares, 300)
        found.append(minimise(x, y, ls, huber))
    return min(found, key=lambda item: item[1])


def interval(x, y, theta, at):
    nu = len(y) - len(theta)
    theta, least = minimise(x, y, theta, squares)
    least *= 2 * DELTA ** 2
    variance = least / nu
    limit = variance * T95[nu - 1] ** 2
    centre = model(theta, at[None])[0][0]
    rng = np.random.default_rng(1)
    others = [theta] + [np.concatenate([[y.mean() + rng.uniform(-3, 0)], *([y.mean() + rng.uniform(-3, 0), rng.uniform(0.05, 1.2)] for _ in range(x.shape[1]))])
                        for _ in range(25)]

    def excess(value):
        total = min(minimise(np.vstack([x, at]), np.append(y, value), start, squares, 300)[1] for start in others)
        return total * 2 * DELTA ** 2 - least - limit

    ends = []
    for sign in (-1, 1):
        inside, outside = 0.0, math.sqrt(variance)
        while excess(centre + sign * outside) < 0:
            inside, outside = outside, 2 * outside
        for _ in range(40):
            middle = (inside + outside) / 2
            if excess(centre + sign * middle) < 0:
                inside = middle
            else:
                outside = middle
        ends.append(math.exp(centre + sign * inside))
    return ends, math.sqrt(variance)


def case(name, sizes, losses, at, seed):
    x, y, at = np.log(np.array(sizes, dtype=float)), np.log(np.array(losses)), np.log(np.array(at, dtype=float))
    centre = x.mean(0)
    theta, error = fit(x - centre, y, seed)
    ends, deviation = interval(x - centre, y, theta, at - centre)
    result = {"name": name, "sizes": sizes, "losses": losses, "huber": error, "constant": math.exp(theta[0]),
              "terms": [[math.exp(theta[1 + 2 * k] + theta[2 + 2 * k] * centre[k]), theta[2 + 2 * k]] for k in range(x.shape[1])],
              "at": list(np.exp(at)), "loss": math.exp(model(theta, (at - centre)[None])[0][0]), "lower": ends[0], "upper": ends[1],
              "deviation": deviation}
    return result


def main():
    cases = []
    for name, sigma, seed in (("scatter of 0.02 %", 2e-4, 11), ("scatter of 0.5 %", 5e-3, 5), ("scatter of 1 %", 1e-2, 3)):
        rng = np.random.default_rng(seed)
        sizes = [[n, d] for n in (1e5, 2.5e5, 6e5, 1.5e6) for d in (2e5, 6e5, 2e6)]
        losses = [float((1.2 + 30 * n ** -0.3 + 120 * d ** -0.35) * math.exp(sigma * rng.standard_normal())) for n, d in sizes]
        cases.append(case(name, sizes, losses, [4e6, 4e6], seed))
    rng = np.random.default_rng(7)
    compute = [[c] for c in (1e12, 3e12, 1e13, 3e13, 1e14, 3e14)]
    losses = [float((1.5 + 40 * c[0] ** -0.12) * math.exp(2e-3 * rng.standard_normal())) for c in compute]
    cases.append(case("compute", compute, losses, [3e15], 7))
    print(json.dumps(cases, indent=1))


main()
