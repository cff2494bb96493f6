"""GPT pretraining in eager PyTorch, the way nanoGPT does it: the peer of MLNet.Gpt's trainer.

Written for this project. Reads a text as characters, trains with AdamW, warm-up and cosine decay on random windows, and prints one
JSON line: tokens per second (median step after a warm-up) and the validation loss over the whole held-out tail.

GELU is GPT-2's tanh form. Runs on PyTorch 2.0 and later, on a CPU or (--device cuda) a GPU.
"""
import argparse
import contextlib
import json
import math
import statistics
import sys
import time

import numpy
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint


class Attention(nn.Module):
    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (part.view(b, t, self.heads, c // self.heads).transpose(1, 2) for part in self.c_attn(x).split(c, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=self.dropout if self.training else 0.0)
        return F.dropout(self.c_proj(y.transpose(1, 2).contiguous().view(b, t, c)), self.dropout, self.training)


class Block(nn.Module):
    def __init__(self, width, heads, dropout):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, heads, dropout)
        self.c_fc, self.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = dropout

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + F.dropout(self.c_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh")), self.dropout, self.training)


class Gpt(nn.Module):
    def __init__(self, vocabulary, context, layers, heads, width, dropout):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.wte.weight
        self.dropout = dropout
        self.checkpointing = None   # arguments of torch.utils.checkpoint, or None to keep all activations
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:
                nn.init.ones_(parameter) if "ln" in name and name.endswith("weight") else nn.init.zeros_(parameter)
            else:
                nn.init.normal_(parameter, 0.0, 0.02 / math.sqrt(2 * layers) if name.endswith("c_proj.weight") else 0.02)

    def forward(self, ids, targets):
        x = self.wte(ids) + self.wpe(torch.arange(ids.size(1), device=ids.device))
        x = F.dropout(x, self.dropout, self.training)
        for block in self.blocks:
            x = checkpoint(block, x, **self.checkpointing) if self.checkpointing is not None and self.training else block(x)
        logits = self.head(self.ln_f(x))
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))


def product_peak(dtype, size=2048):
    """The best of several products of size x size matrices, in GFLOP/s."""
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    best = math.inf
    for _ in range(6):
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * size ** 3 / best / 1e9


def peak_megabytes():
    """The most memory that this process ever had resident; ru_maxrss would count the process that started it too."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--text", required=True)
    p.add_argument("--layers", type=int, default=4)
    p.add_argument("--heads", type=int, default=4)
    p.add_argument("--width", type=int, default=128)
    p.add_argument("--context", type=int, default=64)
    p.add_argument("--batch", type=int, default=12)
    p.add_argument("--vocabulary", type=int, default=0, help="0: the text's characters")
    p.add_argument("--steps", type=int, default=2000)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--min-lr", type=float, default=1e-4)
    p.add_argument("--warmup", type=int, default=100)
    p.add_argument("--decay-steps", type=int, default=0, help="0: the last step")
    p.add_argument("--beta2", type=float, default=0.99)
    p.add_argument("--dropout", type=float, default=0.0)
    p.add_argument("--seed", type=int, default=1337)
    p.add_argument("--device", default="cpu")
    p.add_argument("--autocast", action="store_true", help="bfloat16 autocast")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--checkpointing", action="store_true", help="recompute each block's activations in the backward pass")
    p.add_argument("--no-evaluation", action="store_true")
    p.add_argument("--skip-steps", type=int, default=5, help="steps left out of the timing")
    a = p.parse_args()

    torch.manual_seed(a.seed)
    text = open(a.text, encoding="utf-8").read()
    characters = sorted(set(text))
    index = {c: i for i, c in enumerate(characters)}
    data = torch.from_numpy(numpy.array([index[c] for c in text], dtype=numpy.int64))
    split = int(0.9 * len(data))
    train, validation = data[:split], data[split:]
    model = Gpt(a.vocabulary or len(characters), a.context, a.layers, a.heads, a.width, a.dropout).to(a.device)
    if a.checkpointing:
        model.checkpointing = {"use_reentrant": False}
    decayed = [q for q in model.parameters() if q.dim() >= 2]
    others = [q for q in model.parameters() if q.dim() < 2]
    extra = {"fused": True} if a.device.startswith("cuda") else {}
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
                                  lr=a.lr, betas=(0.9, a.beta2), **extra)
    step_model = torch.compile(model) if a.compile else model
    kind = "cuda" if a.device.startswith("cuda") else "cpu"
    cast = torch.autocast(kind, dtype=torch.bfloat16) if a.autocast else contextlib.nullcontext()
    decay = a.decay_steps or a.steps
    times = []
    for step in range(a.steps):
        start = time.perf_counter()
        if step < a.warmup:
            lr = a.lr * (step + 1) / (a.warmup + 1)
        elif step >= decay:
            lr = a.min_lr
        else:
            lr = a.min_lr + 0.5 * (1 + math.cos(math.pi * (step - a.warmup) / (decay - a.warmup))) * (a.lr - a.min_lr)
        for group in optimizer.param_groups:
            group["lr"] = lr
        offsets = torch.randint(len(train) - a.context, (a.batch,))
        ids = torch.stack([train[i:i + a.context] for i in offsets]).to(a.device)
        targets = torch.stack([train[i + 1:i + 1 + a.context] for i in offsets]).to(a.device)
        with cast:
            loss = step_model(ids, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if kind == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
        if step % 100 == 0:
            print(f"peer step {step} loss {loss.item():.4f} {a.batch * a.context / times[-1]:.0f} tokens/s", file=sys.stderr, flush=True)

    result = {
        "tokens_per_second": a.batch * a.context / statistics.median(times[min(a.skip_steps, len(times) - 1):]),
        "step_ms": 1000 * statistics.median(times[min(a.skip_steps, len(times) - 1):]),
        "train_loss": loss.item(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "peak_rss_mb": peak_megabytes(),
    }
    if kind == "cpu":
        result["product_gflops"] = product_peak(torch.float32)
    if kind == "cuda":
        result["peak_gpu_mb"] = torch.cuda.max_memory_allocated() / 2**20
    if not a.no_evaluation:
        model.eval()
        rows = (len(validation) - 1) // a.context
        total = 0.0
        with torch.no_grad():
            for first in range(0, rows, 64):
                starts = [r * a.context for r in range(first, min(first + 64, rows))]
                ids = torch.stack([validation[s:s + a.context] for s in starts]).to(a.device)
                targets = torch.stack([validation[s + 1:s + 1 + a.context] for s in starts]).to(a.device)
                total += model(ids, targets).item() * len(starts)
        result["validation_loss"] = total / rows
    print(json.dumps(result))


main()
