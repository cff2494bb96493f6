"""Lays links to this Python's libtorch into folders, and says what TorchSharp's native library finds in it.

    libtorch.py folders                   prints the folders that the libraries come from, as LD_LIBRARY_PATH wants them
    libtorch.py link FOLDER...            links torch/lib's libraries into the folders
    libtorch.py check FOLDER LIBRARY      in FOLDER, with that LD_LIBRARY_PATH: loads each library and lists the functions that LIBRARY
                                          wants and nothing has; exit code 1 where LIBRARY doesn't load

LIBTORCH in the environment names another folder of libraries in place of torch/lib.
"""
import ctypes
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path


def torch_lib():
    if "LIBTORCH" in os.environ:
        return Path(os.environ["LIBTORCH"])
    # Found without importing torch: the check must not load anything of it by another way.
    spec = importlib.util.find_spec("torch")
    if spec is None:
        sys.exit(f"libtorch: {sys.executable} has no torch; PYTHON names another interpreter.")
    return Path(spec.origin).parent / "lib"


def folders():
    """torch/lib, and the libraries of NVIDIA's wheels beside it: nvidia/cudnn/lib, nvidia/cu13/lib, …"""
    lib = torch_lib()
    if "LIBTORCH" in os.environ:
        return [lib]
    return [lib, *sorted(p for p in lib.parent.parent.glob("nvidia/**/lib") if p.is_dir() and any(p.glob("*.so*")))]


def link(targets):
    lib = torch_lib()
    for target in map(Path, targets):
        for file in lib.glob("*.so*"):
            place = target / file.name
            place.unlink(missing_ok=True)
            place.symlink_to(file.resolve())
    print(f"libtorch: {len(list(lib.glob('*.so*')))} libraries of {lib}")


def check(folder, library):
    folder = Path(folder)
    os.chdir(folder)
    for name in ["libc10.so", "libtorch_cpu.so", "libc10_cuda.so", "libtorch_cuda.so", "libtorch.so", library]:
        if not Path(name).exists():
            print(f"  {name:<22} not there")
            continue
        try:
            ctypes.CDLL(str(folder / name), mode=os.RTLD_LAZY | os.RTLD_GLOBAL)
            print(f"  {name:<22} loads")
            loaded = True
        except OSError as error:
            print(f"  {name:<22} does not load: {error}")
            loaded = False

    # Functions are bound when they are first called: one that this libtorch lacks ends the process only then.
    report = subprocess.run(["ldd", "-r", str(folder / library)], capture_output=True, text=True)
    lacking = sorted(set(re.findall(r"undefined symbol: (\S+)\s+\(\S*" + re.escape(library) + r"\)", report.stdout + report.stderr)))
    names = lacking
    if lacking and shutil.which("c++filt"):
        names = subprocess.run(["c++filt"], input="\n".join(lacking), capture_output=True, text=True).stdout.splitlines()
    print(f"  {len(lacking)} functions that {library} wants are in none of the libraries" + (":" if lacking else "."))
    for name in names:
        print(f"    {name}")
    return 0 if loaded else 1


match sys.argv[1:]:
    case ["folders"]:
        print(":".join(map(str, folders())))
    case ["link", *targets] if targets:
        link(targets)
    case ["check", folder, library]:
        sys.exit(check(folder, library))
    case _:
        sys.exit(__doc__)
