"""Greedy decoding of GPT-2's shape in PyTorch eager, with random weights and a preallocated key/value cache.

  decode.py --layers 12 --steps 24 --prefill 512 --cells 1x16,16x512 [--device cpu|cuda] [--dtype float32|float16|bfloat16]

Ends with one line of JSON: {"torch": version, "gpu": its name, on one, "read_bandwidth": bytes a second, "tokens_per_second": {cell: number}}.
"""
import argparse
import json
import os
import time

import torch
from torch.nn import functional

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
V, T, C, H = 50257, 1024, 768, 12
D = C // H


class Gpt:
    def __init__(self, layers):
        def weight(*shape):
            return torch.randn(*shape) * 0.02

        self.wte, self.wpe = weight(V, C), weight(T, C)
        self.layers = [dict(qkv=weight(3 * C, C), out=weight(C, C), up=weight(4 * C, C), down=weight(C, 4 * C), b3=torch.zeros(3 * C), b1=torch.zeros(C),
                            b4=torch.zeros(4 * C), g=torch.ones(C)) for _ in range(layers)]
        self.g, self.b = torch.ones(C), torch.zeros(C)

    def begin(self, rows, capacity):
        self.cache = [(torch.empty(rows, H, capacity, D), torch.empty(rows, H, capacity, D)) for _ in self.layers]
        self.length = 0

    def append(self, ids):
        rows, n = ids.shape
        start, end = self.length, self.length + n
        x = self.wte[ids] + self.wpe[start:end]
        for layer, (keys, values) in zip(self.layers, self.cache):
            h = functional.layer_norm(x, (C,), layer["g"], self.b)
            q, k, v = functional.linear(h, layer["qkv"], layer["b3"]).view(rows, n, 3, H, D).permute(2, 0, 3, 1, 4)
            keys[:, :, start:end], values[:, :, start:end] = k, v
            a = functional.scaled_dot_product_attention(q, keys[:, :, :end], values[:, :, :end], is_causal=n > 1)
            x = x + functional.linear(a.transpose(1, 2).reshape(rows, n, C), layer["out"], layer["b1"])
            h = functional.layer_norm(x, (C,), layer["g"], self.b)
            x = x + functional.linear(functional.gelu(functional.linear(h, layer["up"], layer["b4"]), approximate="tanh"), layer["down"], layer["b1"])
        self.length = end
        return functional.linear(functional.layer_norm(x[:, -1], (C,), self.g, self.b), self.wte)


def wait():
    if torch.get_default_device().type == "cuda":
        torch.cuda.synchronize()


def read_bandwidth():
    numbers, best = torch.ones(256 << 20), float("inf")
    for _ in range(6):
        wait()
        begin = time.perf_counter()
        numbers.sum()
        wait()
        best = min(best, time.perf_counter() - begin)
    return numbers.numel() * numbers.element_size() / best


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=("float32", "float16", "bfloat16"), default="float32")
    for name in ("layers", "steps", "prefill"):
        parser.add_argument("--" + name, type=int, required=True)
    parser.add_argument("--cells", required=True)
    arguments = parser.parse_args()
    torch.set_default_device(arguments.device)
    result = {"torch": torch.__version__, "read_bandwidth": read_bandwidth()}
    if arguments.device == "cuda":
        result["gpu"] = torch.cuda.get_device_name(0)
    torch.set_default_dtype(getattr(torch, arguments.dtype))
    model, speeds = Gpt(arguments.layers), {}
    with torch.inference_mode():
        for cell in arguments.cells.split(","):
            rows, depth = map(int, cell.split("x"))
            model.begin(1, depth)
            model.append(torch.randint(0, V, (1, depth)))
            prompt = model.cache
            model.begin(rows, depth + arguments.steps + 2)
            for (k, v), (pk, pv) in zip(model.cache, prompt):
                k[:, :, :depth], v[:, :, :depth] = pk, pv
            model.length = depth
            ids = torch.zeros(rows, 1, dtype=torch.long)
            seconds = []
            for step in range(arguments.steps + 2):
                begin = time.perf_counter()
                ids = model.append(ids).argmax(-1, keepdim=True)
                wait()
                seconds.append(time.perf_counter() - begin)
            speeds[f"{rows} x {depth}"] = rows / sorted(seconds[2:])[arguments.steps // 2]
        best = []
        for _ in range(3):
            ids = torch.randint(0, V, (1, arguments.prefill))
            wait()
            begin = time.perf_counter()
            model.begin(1, arguments.prefill)
            model.append(ids)
            wait()
            best.append(arguments.prefill / (time.perf_counter() - begin))
        speeds[f"prefill {arguments.prefill}"] = sorted(best)[1]
    print(json.dumps({**result, "tokens_per_second": speeds}))


main()
