"""Losses, advantages and their gradients on random numbers, computed with PyTorch in float64: the oracle of the preference and reinforcement losses' tests.

Everything is written token by token from the papers' equations, without masks or broadcasting, so that it has nothing in common with the library's vectorised
code. Inputs are rounded to float32 first. Prints JSON; `python3 alignment_losses.py > fixtures/alignment_losses.json`.
"""
import itertools
import json
import math

import torch
from torch.nn.functional import logsigmoid

torch.manual_seed(7)
B, T, V = 5, 7, 6
LENGTHS = [7, 4, 1, 6, 3]
cases = {}


def draw(*shape, scale=1.0):
    return (scale * torch.randn(*shape)).to(torch.float32).to(torch.float64)


def numbers(x):
    return [float(f"{v:.9g}") for v in torch.as_tensor(x, dtype=torch.float64).detach().flatten().tolist()]


def case(name, inputs, outputs, loss=None, variables=()):
    gradients = {}
    if loss is not None:
        leaves = [inputs[v] for v in variables]
        gradients = {v: numbers(g) for v, g in zip(variables, torch.autograd.grad(loss, leaves, retain_graph=True))}
    cases[name] = {"inputs": {k: {"shape": list(v.shape), "values": numbers(v)} for k, v in inputs.items()},
                   "outputs": {k: numbers(v) for k, v in outputs.items()}, "gradients": gradients}


def tokens():
    return [(b, t) for b in range(B) for t in range(LENGTHS[b])]


mask = torch.tensor([[1.0 if t < n else 0.0 for t in range(T)] for n in LENGTHS], dtype=torch.float64)

# Pairwise reward loss: groups of 2, 4, 3 and 9 responses, some tied.
grades = [[1, 0], [2, 2, 0, 1], [1, 1, 1], [3, 1, 4, 1, 5, 9, 2, 6, 5]]
rewards = draw(sum(map(len, grades))).requires_grad_()
for name, margin, centering in [("reward", 0.0, 0.0), ("reward, margin and centering", 0.3, 0.05)]:
    loss, start, differences = 0, 0, []
    for group in grades:
        pairs = [(i, j) for i, j in itertools.permutations(range(len(group)), 2) if group[i] > group[j]]
        for i, j in pairs:
            better, worse = rewards[start + i], rewards[start + j]
            loss = loss + (-logsigmoid(better - worse - margin * (group[i] - group[j])) + centering * (better + worse) ** 2) / len(pairs) / len(grades)
            differences.append((better - worse).item())
        start += len(group)
    case(name, {"rewards": rewards}, {"loss": loss, "differences": sorted(differences)}, loss, ["rewards"])

# Generalised advantage estimation: the sum of the definition, not the recursion.
r, v = draw(B, T), draw(B, T)
for gamma, lam in [(1.0, 0.95), (0.9, 0.5), (1.0, 1.0), (0.99, 0.0)]:
    advantages = torch.zeros(B, T, dtype=torch.float64)
    for b, t in tokens():
        n = LENGTHS[b]
        delta = [r[b, s] + (gamma * v[b, s + 1] if s + 1 < n else 0) - v[b, s] for s in range(n)]
        advantages[b, t] = sum((gamma * lam) ** (s - t) * delta[s] for s in range(t, n))
    returns = torch.zeros(B, T, dtype=torch.float64)
    for b, t in tokens():
        returns[b, t] = advantages[b, t] + v[b, t]
    case(f"gae {gamma:g} {lam:g}", {"rewards": r, "values": v, "mask": mask}, {"advantages": advantages, "returns": returns})

# Masked whitening.
x = draw(B, T)
chosen = torch.stack([x[b, t] for b, t in tokens()])
for name, shift in [("whiten", True), ("whiten, mean kept", False)]:
    white = torch.zeros(B, T, dtype=torch.float64)
    for b, t in tokens():
        white[b, t] = (x[b, t] - chosen.mean()) / torch.sqrt(chosen.var(unbiased=True) + 1e-8) + (0 if shift else chosen.mean())
    case(name, {"x": x, "mask": mask}, {"mean": chosen.mean(), "variance": chosen.var(unbiased=True), "white": white})

# Clipped policy loss, its three token weightings, k1, k3.
old = -draw(B, T).abs()
new = (old + draw(B, T, scale=0.4)).to(torch.float32).to(torch.float64).requires_grad_()
reference = (old + draw(B, T, scale=0.4)).to(torch.float32).to(torch.float64)
A = draw(B, T)
MAX_LENGTH = 9
weightings = {
    "dapo": lambda b: 1 / sum(LENGTHS),
    "grpo": lambda b: 1 / (B * LENGTHS[b]),
    "dr_grpo": lambda b: 1 / (B * MAX_LENGTH),
}
for kind, (low, high, dual) in itertools.product(weightings, [(0.2, 0.2, None), (0.1, 0.28, 1.5)]):
    loss, low_count, high_count = 0, 0, 0
    for b, t in tokens():
        ratio = torch.exp(new[b, t] - old[b, t])
        gain = min(ratio * A[b, t], min(max(ratio, torch.tensor(1 - low, dtype=torch.float64)), torch.tensor(1 + high, dtype=torch.float64)) * A[b, t])
        if dual is not None and A[b, t] < 0:
            gain = max(gain, dual * A[b, t])
        loss = loss - weightings[kind](b) * gain
        low_count += int(ratio < 1 - low and A[b, t] < 0)
        high_count += int(ratio > 1 + high and A[b, t] > 0)
    case(f"policy {kind} {'dual' if dual else 'plain'}", {"new": new, "old": old, "advantages": A, "mask": mask},
         {"loss": loss, "low": torch.tensor(float(low_count)), "high": torch.tensor(float(high_count))}, loss, ["new"])

loss = sum(0.5 * (new[b, t] - reference[b, t]) + (torch.exp(reference[b, t]) / torch.exp(new[b, t]) - 1 - (reference[b, t] - new[b, t])) for b, t in tokens()) / len(tokens())
k1 = torch.stack([new[b, t] - reference[b, t] for b, t in tokens()])
k3 = torch.stack([torch.exp(reference[b, t] - new[b, t]) - 1 - (reference[b, t] - new[b, t]) for b, t in tokens()])
k2 = torch.stack([0.5 * (new[b, t] - old[b, t]) ** 2 for b, t in tokens()])
case("kl", {"new": new, "reference": reference, "old": old, "mask": mask}, {"loss": loss, "k1": k1.mean(), "k3": k3.mean(), "k2": k2.mean()}, loss, ["new"])

# Clipped value loss.
old_values, returns = draw(B, T), draw(B, T)
values = (old_values + draw(B, T, scale=0.4)).to(torch.float32).to(torch.float64).requires_grad_()
loss, count = 0, 0
for b, t in tokens():
    value, before, target = values[b, t], old_values[b, t], returns[b, t]
    near = before + max(min(value - before, torch.tensor(0.2, dtype=torch.float64)), torch.tensor(-0.2, dtype=torch.float64))
    free, bound = (value - target) ** 2, (near - target) ** 2
    loss = loss + 0.5 * max(free, bound) / len(tokens())
    count += int(bound > free)
case("value", {"values": values, "old": old_values, "returns": returns, "mask": mask}, {"loss": loss, "clipped": torch.tensor(float(count))}, loss, ["values"])

# Entropy.
logits = draw(B, V).requires_grad_()
entropy = torch.stack([-sum(p * torch.log(p) for p in torch.softmax(row, 0)) for row in logits])
weight = torch.arange(1, B + 1, dtype=torch.float64)
case("entropy", {"logits": logits}, {"entropy": entropy}, (entropy * weight).sum(), ["logits"])

# Direct preference optimisation: responses 0..4 are preferred to 5..9; per-token log-probabilities.
policy = -draw(2 * B, T).abs()
policy = policy.requires_grad_()
frozen = -draw(2 * B, T).abs()
lengths = LENGTHS + [2, 7, 5, 1, 4]
pair_mask = torch.tensor([[1.0 if t < n else 0.0 for t in range(T)] for n in lengths], dtype=torch.float64)
for normalized in (False, True):
    def likelihood(table, row):
        total = sum(table[row, t] for t in range(lengths[row]))
        return total / lengths[row] if normalized else total
    h = [likelihood(policy, b) - likelihood(frozen, b) - likelihood(policy, B + b) + likelihood(frozen, B + b) for b in range(B)]
    beta = 0.3
    kinds = {
        "sigmoid": [-logsigmoid(beta * u) for u in h],
        "smoothed": [-0.9 * logsigmoid(beta * u) - 0.1 * logsigmoid(-beta * u) for u in h],
        "identity": [(u - 1 / (2 * beta)) ** 2 for u in h],
        "hinge": [max(1 - beta * u, torch.tensor(0.0, dtype=torch.float64)) for u in h],
    }
    for kind, each in kinds.items():
        loss = sum(each) / B
        case(f"preference {kind}{', length-normalised' if normalized else ''}", {"policy": policy, "reference": frozen, "mask": pair_mask},
             {"each": torch.stack(each), "loss": loss}, loss, ["policy"])

# Group advantages: 4 prompts of 3 responses, one of them rewarded alike.
group = draw(4, 3)
group[2] = 0.5
case("groups", {"rewards": group}, {
    "scaled": torch.stack([(row - row.mean()) / (row.std(unbiased=True) + 1e-4) for row in group]),
    "centered": torch.stack([row - row.mean() for row in group]),
    "deviations": torch.stack([row.std(unbiased=True) for row in group]),
    "leave_one_out": torch.stack([torch.stack([row[i] - torch.cat([row[:i], row[i + 1:]]).mean() for i in range(3)]) for row in group]),
})

# Bradley-Terry: five players, the likelihood maximised by torch's LBFGS; standard errors from the Hessian that autograd gives.
names = ["a", "b", "c", "d", "e"]
won = torch.tensor([[0, 7, 4, 9, 3], [3, 0, 6, 5, 8.5], [2, 5, 0, 4, 6], [1, 4, 3, 0, 2], [2, 3.5, 1, 6, 0]], dtype=torch.float64)


def likelihood_of(theta):
    return sum(won[i, j] * logsigmoid(theta[i] - theta[j]) for i in range(5) for j in range(5) if i != j)


theta = torch.zeros(5, dtype=torch.float64, requires_grad=True)
optimizer = torch.optim.LBFGS([theta], max_iter=500, tolerance_grad=1e-13, tolerance_change=1e-16, line_search_fn="strong_wolfe")


def closure():
    optimizer.zero_grad()
    loss = -likelihood_of(theta) + 0.5 * theta.sum() ** 2   # the penalty fixes the sum at 0 and changes no difference
    loss.backward()
    return loss


optimizer.step(closure)
hessian = torch.autograd.functional.hessian(lambda u: -likelihood_of(u), theta.detach())
covariance = torch.linalg.pinv(hessian)
points = 400 / math.log(10)
cases["bradley-terry"] = {"players": names, "won": won.tolist(), "ratings": numbers(1000 + points * (theta.detach() - theta.detach().mean())),
                          "errors": numbers(points * torch.sqrt(torch.diag(covariance)))}

print(json.dumps(cases))
