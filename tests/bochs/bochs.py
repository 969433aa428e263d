"""Runs a static program on an emulated x86-64 CPU with AVX-512: Bochs, and a Linux kernel in it.

A boot takes some 12 seconds, most of it the kernel. What was learnt on the way:

- Debian's Bochs 2.7 has its debugger built in and waits for commands: -rc gives it "c".
- Bochs reports FSRM without ERMS, and Linux 6.1 then hangs in memmove; the sizes it reports for
  XSAVEC, XSAVES and PKU make Linux switch AVX off. `clearcpuid` hides them.
- The emulated serial port is slow; output goes through port 0xE9 instead (init.c), and the kernel's
  messages to the screen that nobody sees. `verbose` sends them to a serial port, for when it hangs.
- `ips` this high keeps timer interrupts, and the time spent in them, rare.
- The kernel is the one Debian has for virtual machines, unpacked into a cache, never installed. It
  is entered by its PVH entry point, so there is no boot loader: boot.S copies the disk to memory.
"""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

TOOLS = ("bochs", "as", "ld", "gcc", "lz4", "apt-get", "apt-cache", "dpkg-deb")

HERE = Path(__file__).parent
INFO = 0xF00000  # where the disk is copied to; the kernel comes behind, at 16 MiB
MEGABYTES = 256
SECTOR = 512
CYLINDER = 16 * 63 * SECTOR

KERNEL_OPTIONS = (
    "nokaslr mitigations=off nosmp noapic nolapic acpi=off pci=off tsc=reliable no_timer_check "
    "lpj=200000 random.trust_cpu=on audit=0 selinux=0 apparmor=0 nowatchdog norandmaps "
    "cryptomgr.notests raid=noautodetect panic=-1 reboot=t noxsaves nopku "
    "clearcpuid=pku,ospke,xsavec,fsrm rdinit=/init"
)
QUIET = "quiet console=tty0"
VERBOSE = "loglevel=7 earlyprintk=ttyS0,115200,keep"

SETTINGS = """\
config_interface: textconfig
display_library: rfb, options="timeout=0, hideIPS"
megs: {megabytes}
cpu: model=corei7_icelake_u, count=1, ips=1500000000, reset_on_triple_fault=0, ignore_bad_msrs=1
romimage: file=/usr/share/bochs/BIOS-bochs-latest, options=fastboot
vgaromimage: file=/usr/share/vgabios/vgabios.bin
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path=disk, mode=flat, cylinders={cylinders}, heads=16, spt=63
ata1: enabled=0
boot: disk
clock: sync=none
com1: enabled=1, mode=file, dev=serial
port_e9_hack: enabled=1
speaker: enabled=0
log: log
panic: action=fatal
"""


def run(
    program: Path, stdin: bytes, *, kernel: Path, scratch: Path, seconds: int, verbose: bool = False
) -> bytes:
    """What the program writes to stdout. RuntimeError where it, or the machine, fails."""
    options = f"{VERBOSE if verbose else QUIET} {KERNEL_OPTIONS}"
    init = scratch / "init"
    _call("gcc", "-O1", "-static", "-s", "-o", init, HERE / "init.c")
    entry, memory = _memory(kernel.read_bytes(), init, program, stdin, options)
    cylinders = -(-(SECTOR + len(memory)) // CYLINDER)
    disk = _boot_sector(entry, -(-len(memory) // SECTOR), scratch) + memory
    (scratch / "disk").write_bytes(disk.ljust(cylinders * CYLINDER, b"\0"))
    settings = SETTINGS.format(megabytes=MEGABYTES, cylinders=cylinders)
    (scratch / "settings").write_text(settings)
    (scratch / "commands").write_text("c\nquit\n")
    command = ["bochs", "-q", "-f", "settings", "-rc", "commands"]
    try:
        done = subprocess.run(
            command, cwd=scratch, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"Bochs did not end within {seconds} seconds") from None
    return _result(done.stdout, scratch / "log")


def fetch_kernel(cache: Path) -> Path:
    """Debian's kernel for virtual machines as an ELF file; downloaded when it is not there yet."""
    kernel = cache / "vmlinux"
    if kernel.exists():
        return kernel
    cache.mkdir(parents=True, exist_ok=True)
    depends = _call("apt-cache", "depends", "linux-image-cloud-amd64").decode()
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if found is None:
        raise RuntimeError("apt-cache knows no linux-image-cloud-amd64; run apt-get update")
    _call("apt-get", "download", found[1], cwd=cache)
    (package,) = cache.glob("linux-image-*.deb")
    _call("dpkg-deb", "-x", package, cache / "package")
    (packed,) = (cache / "package" / "boot").glob("vmlinuz-*")
    image = packed.read_bytes()
    frame = image[image.index(b"\x02\x21\x4c\x18") :]  # where LZ4 data begins
    # What follows the frame makes lz4 end with an error; the ELF header tells whether all is well.
    unpacked = subprocess.run(["lz4", "-dc"], input=frame, capture_output=True).stdout
    if not unpacked.startswith(b"\x7fELF"):
        raise RuntimeError(f"{packed.name} does not unpack: {len(unpacked)} bytes, and no ELF file")
    partial = kernel.with_suffix(".partial")
    partial.write_bytes(unpacked)
    partial.rename(kernel)
    return kernel


def _memory(
    kernel: bytes, init: Path, program: Path, stdin: bytes, options: str
) -> tuple[int, bytes]:
    """The kernel's entry point, and the guest's memory from INFO on.

    First what PVH wants to be told (hvm_start_info, version 1), then the kernel's segments where
    they belong, then the files as an initramfs.
    """
    entry, segments = _elf(kernel)
    end = max(address + size for address, size, _ in segments)
    ramdisk = -(-end // (1 << 21)) * (1 << 21)
    files = _archive(init.read_bytes(), program.read_bytes(), stdin)
    top = MEGABYTES << 20
    if ramdisk + 2 * len(files) + (64 << 20) > top:
        raise RuntimeError("the guest's memory is too small for these files")
    memory = bytearray(ramdisk - INFO)
    for address, _, content in segments:
        memory[address - INFO : address - INFO + len(content)] = content
    modules, ram, command_line = INFO + 0x100, INFO + 0x200, INFO + 0x800
    areas = [(0, 0x9F000, 1), (0x9F000, 0x61000, 2), (0x100000, top - 0x200000, 1)]
    start = (0x336EC578, 1, 0, 1, modules, command_line, 0, ram, len(areas), 0)
    struct.pack_into("<4I4Q2I", memory, 0, *start)
    struct.pack_into("<4Q", memory, 0x100, ramdisk, len(files), 0, 0)
    for i, area in enumerate(areas):
        struct.pack_into("<2QII", memory, 0x200 + 24 * i, *area, 0)
    memory[0x800 : 0x800 + len(options)] = options.encode()
    return entry, bytes(memory) + files


def _elf(kernel: bytes) -> tuple[int, list[tuple[int, int, bytes]]]:
    """The PVH entry point (note 18 of "Xen") and the segments: address, size, content."""
    load, note, pvh = 1, 4, 18
    (headers,) = struct.unpack_from("<Q", kernel, 32)
    size, count = struct.unpack_from("<HH", kernel, 54)
    segments, entry = [], 0
    for i in range(count):
        header = struct.unpack_from("<IIQQQQQ", kernel, headers + i * size)
        kind, _, offset, _, address, in_file, in_memory = header
        if kind == load:
            segments.append((address, in_memory, kernel[offset : offset + in_file]))
        at = offset
        while kind == note and at < offset + in_file:
            name_size, value_size, number = struct.unpack_from("<III", kernel, at)
            value = at + 12 + -(-name_size // 4) * 4
            if number == pvh and kernel[at + 12 : at + 15] == b"Xen":
                entry = int.from_bytes(kernel[value : value + min(value_size, 8)], "little")
            at = value + -(-value_size // 4) * 4
    if not entry:
        raise RuntimeError("the kernel has no PVH entry point")
    return entry, segments


def _archive(init: bytes, program: bytes, stdin: bytes) -> bytes:
    """A cpio archive ("newc") of what init.c wants to find."""
    folder, executable, plain = 0o040755, 0o100755, 0o100644
    entries = [("proc", folder, b""), ("dev", folder, b""), ("init", executable, init)]
    entries += [("program", executable, program), ("input", plain, stdin), ("TRAILER!!!", 0, b"")]
    out = bytearray()
    for number, (name, mode, content) in enumerate(entries, 1):
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + content
        out += bytes(-len(out) % 4)
    return bytes(out)


def _boot_sector(entry: int, sectors: int, scratch: Path) -> bytes:
    made, binary = scratch / "boot.o", scratch / "boot"
    numbers = {"ENTRY": entry, "INFO": INFO, "COUNT": sectors}
    symbols = [part for name, n in numbers.items() for part in ("--defsym", f"{name}={n}")]
    _call("as", "--32", *symbols, "-o", made, HERE / "boot.S")
    link = ("-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary", "-e", "_start")
    _call("ld", *link, "-o", binary, made)
    return binary.read_bytes()


def _result(came: bytes, log: Path) -> bytes:
    found = re.search(rb"@@RESULT (\d+) (\d+) (\d+)\n", came)
    if found is None:
        last = log.read_text(errors="replace")[-2000:] if log.exists() else "no log"
        raise RuntimeError(f"the emulated machine gave no result; Bochs says: {last}")
    code, out, errors = map(int, found.groups())
    rest = came[found.end() :]
    if rest[out + errors : out + errors + 7] != b"@@END@@":
        raise RuntimeError("the result of the emulated machine is cut off")
    if code:
        text = rest[out : out + errors].decode(errors="replace")
        raise RuntimeError(f"{code} is what the program ended with: {text}")
    return rest[:out]


def _call(*command: str | Path, cwd: Path | None = None) -> bytes:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True)
    if done.returncode:
        said = done.stderr.decode(errors="replace")[-2000:]
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {said}")
    return done.stdout
