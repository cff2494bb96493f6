"""Rewards, losses and gradients of tiny reward models, computed with PyTorch in float64: the oracle of the reward model's tests.

The network is formula_gpt.py's. Prints JSON; `python3 reward_gradients.py > fixtures/reward_gradients.json`.
"""
import json

from torch.nn.functional import logsigmoid

from formula_gpt import C, H, L, T, V, gradients, hidden, layout, weights

READOUT = V
P, Q = [1, 5, 3], [7, 7]

# Each case: its prompts, and each prompt's responses with their grades.
CASES = [
    {"name": "last token", "readout": False, "post": False, "margin": 0.0, "centering": 0.0,
     "groups": [[P, [[4, 6, 0], [9, 2, 10, 0], [8, 0]], [2, 1, 0]], [Q, [[3, 0], [1, 2, 4, 0]], [0, 1]]]},
    {"name": "read-out token", "readout": True, "post": False, "margin": 0.25, "centering": 0.1,
     "groups": [[P, [[4, 6, 0], [9, 2, 0], [8, 0], [5, 0]], [1, 3, 1, 0]], [Q, [[3, 0], [1, 2, 4, 0]], [1, 0]]]},
    {"name": "last token, post-norm", "readout": False, "post": True, "margin": 0.0, "centering": 0.0,
     "groups": [[P, [[4, 6, 0], [9, 0]], [0, 1]]]},
]


def reward(ids, w, case):
    x = hidden(ids, w, case["post"], "readout_token.weight" if case["readout"] else None)
    return x[-1] @ w["head.weight"][0] + w["head.bias"][0]


def run(case):
    w = weights(layout(case["post"], ([("readout_token.weight", (1, C))] if case["readout"] else []) + [("head.weight", (1, C)), ("head.bias", (1,))]))
    rewards, loss = [], 0
    for prompt, responses, grades in case["groups"]:
        r = [reward(prompt + response + ([READOUT] if case["readout"] else []), w, case) for response in responses]
        rewards.append([v.item() for v in r])
        pairs = [(i, j) for i in range(len(r)) for j in range(len(r)) if grades[i] > grades[j]]
        for i, j in pairs:
            each = -logsigmoid(r[i] - r[j] - case["margin"] * (grades[i] - grades[j])) + case["centering"] * (r[i] + r[j]) ** 2
            loss = loss + each / len(pairs) / len(case["groups"])
    loss.backward()
    return {
        **case,
        "V": V, "T": T, "C": C, "L": L, "H": H,
        "rewards": rewards,
        "loss": loss.item(),
        "gradients": gradients(w),
    }


print(json.dumps([run(case) for case in CASES]))
