"""Writes do-nothing stand-ins for the CUDA libraries that the torch wheel links against into torch/lib.

    make_stubs.py SITE_PACKAGES

With them `import torch` works while no nvidia-* wheel is installed. CPU use only: every call answers
cudaErrorNoDevice. Needs readelf and gcc.
"""

import collections
import glob
import os
import re
import subprocess
import sys
import tempfile

SYSTEM = re.compile(r"^(lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+|util)\.so|ld-linux)")
SYSTEM_FILES = ("libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libdl.so.2", "libpthread.so.0", "librt.so.1")
SYSTEM_FOLDERS = ("/lib/x86_64-linux-gnu/", "/usr/lib/x86_64-linux-gnu/", "/lib64/")
INTERPRETER = re.compile(r"_?Py|__tls_get_addr")
TEXT = re.compile(r"(ErrorString|ErrorName|ResultString|StatusString|StatusName|LastErrorString)")
REGISTRATION = {
    "__cudaRegisterFunction",
    "__cudaRegisterVar",
    "__cudaUnregisterFatBinary",
    "__cudaRegisterFatBinaryEnd",
    "__cudaInitModule",
}

Symbol = collections.namedtuple("Symbol", "name version defined weak")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def needed(path):
    """Names of the libraries that a library is linked against."""
    return re.findall(r"\(NEEDED\).*\[(.*?)\]", run("readelf", "-dW", path))


def symbols(path):
    """The dynamic symbols of a library."""
    for line in run("readelf", "--dyn-syms", "-W", path).splitlines():
        fields = line.split()
        if len(fields) >= 8 and fields[0].rstrip(":").isdigit():
            name, _, version = fields[7].partition("@")
            yield Symbol(name, version.lstrip("@"), fields[6] != "UND", fields[4] == "WEAK")


def providers(path):
    """Which library each symbol version comes from."""
    found, current = {}, None
    for line in run("readelf", "-VW", path).splitlines():
        if file := re.search(r"File: (\S+)", line):
            current = file.group(1)
        if (name := re.search(r"Name: (\S+)\s+Flags", line)) and current:
            found[name.group(1)] = current
    return found


def system_symbols():
    """What the C and C++ runtime already define."""
    defined = set()
    for name in SYSTEM_FILES:
        path = next((folder + name for folder in SYSTEM_FOLDERS if os.path.exists(folder + name)), None)
        if path:
            defined |= {symbol.name for symbol in symbols(path) if symbol.defined}
    return defined


def survey(libraries):
    """Missing libraries with their versioned symbols, and the unversioned symbols that nobody defines."""
    present = {os.path.basename(path) for path in libraries}
    absent = lambda name: name not in present and not SYSTEM.match(name)
    versioned, undefined, defined = collections.defaultdict(set), set(), set()
    missing = {name for path in libraries for name in needed(path) if absent(name)}
    for path in libraries:
        source = providers(path)
        for symbol in symbols(path):
            if symbol.defined:
                defined.add(symbol.name)
            elif symbol.version:
                library = source.get(symbol.version)
                if library and absent(library):
                    versioned[library].add((symbol.name, symbol.version))
            elif not symbol.weak:
                undefined.add(symbol.name)
    plain = undefined - defined - system_symbols()
    return missing, versioned, sorted(name for name in plain if not INTERPRETER.match(name))


def body(name):
    """What a stand-in function does."""
    if name == "__cudaRegisterFatBinary":
        return "static void*h[8]; return (long)&h;"
    if TEXT.search(name):
        return 'return (long)"stub: no CUDA here";'
    return "return 0;" if name in REGISTRATION else "return 100;"  # cudaErrorNoDevice


def build(folder, library, versioned, plain):
    names = sorted({name for name, _ in versioned} | set(plain))
    lines = [f'long f{i}(void) __asm__("{name}"); long f{i}(void) {{ {body(name)} }}' for i, name in enumerate(names)]
    with tempfile.TemporaryDirectory() as work:
        source = os.path.join(work, "stub.c")
        with open(source, "w") as file:
            file.write("\n".join([*lines, "int cuda_stub_marker;"]))
        command = ["gcc", "-shared", "-fPIC", "-O1", "-w", "-o", os.path.join(folder, library), source, f"-Wl,-soname,{library}"]
        by_version = collections.defaultdict(list)
        for name, version in sorted(versioned):
            by_version[version].append(f"{name};")
        if by_version:
            script = os.path.join(work, "stub.map")
            with open(script, "w") as file:
                file.writelines(f"{version} {{ global: {' '.join(names)} }};\n" for version, names in by_version.items())
            command.append(f"-Wl,--version-script={script}")
        subprocess.run(command, check=True)
    print(f"{library}: {len(versioned)} versioned, {len(plain)} plain symbols")


def main():
    folder = os.path.join(sys.argv[1], "torch", "lib")
    missing, versioned, plain = survey(sorted(glob.glob(folder + "/*.so*")))
    if not missing:
        print("no library is missing")
    for index, library in enumerate(sorted(missing)):
        # Unversioned symbols can come from anywhere: the first stand-in has them all.
        build(folder, library, versioned.get(library, set()), plain if index == 0 else [])


if __name__ == "__main__":
    main()
