"""A Go program of more than 100 MB with 200,000 functions, for measuring how attaching grows with the executable.

Its functions are assembly, since the Go compiler would take minutes for as many: the linker's function table (pclntab)
has the same entry for each. Data that a real program would embed makes up the rest."""
import os
import random

import harness

PARTS, FUNCTIONS, EMBEDDED_BYTES = 20, 10000, 64 << 20

_FUNCTION = """
TEXT ·handleRequest%(number)05d(SB), 4, $%(frame)d-24
	MOVQ a+0(FP), AX
	MOVQ b+8(FP), BX
	IMULQ $%(factor)d, AX
	MOVQ AX, 0(SP)
	ADDQ BX, AX
	CMPQ AX, $%(limit)d
	JGT  high
	ADDQ $%(step)d, AX
	XORQ BX, AX
high:
	MOVQ AX, ret+16(FP)
	RET
"""

_PART = """package part%(part)02d

// Functions are all functions of this package.
var Functions [%(count)d]uintptr

// Marker keeps Functions, which parts.s fills, in the program.
func Marker() uintptr { return Functions[0] }
"""

_MAIN = """package main

import (
	_ "embed"
	"fmt"
	"time"

%(imports)s)

//go:embed data.bin
var data string

func main() {
	total := uintptr(len(data))
%(calls)s	go func() { select {} }()
	fmt.Println("READY")
	time.Sleep(24 * time.Hour)
	fmt.Println(total, data)
}
"""


def _write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())


def _part(part):
    functions = [_FUNCTION % {"number": number, "frame": 8 * (1 + number % 16), "factor": number % 97 + 2,
                              "limit": number, "step": number % 61} for number in range(FUNCTIONS)]
    table = ["DATA ·Functions+%d(SB)/8, $·handleRequest%05d(SB)" % (8 * number, number) for number in range(FUNCTIONS)]
    table.append("GLOBL ·Functions(SB), 16, $%d\n" % (8 * FUNCTIONS))
    return "".join(functions) + "\n" + "\n".join(table)


def _generate(directory):
    for part in range(PARTS):
        folder = os.path.join(directory, "part%02d" % part)
        _write(os.path.join(folder, "part.go"), _PART % {"part": part, "count": FUNCTIONS})
        _write(os.path.join(folder, "parts.s"), _part(part))
    imports = "".join('\t"gotrace-leak.test/targets/part%02d"\n' % part for part in range(PARTS))
    calls = "".join("\ttotal += part%02d.Marker()\n" % part for part in range(PARTS))
    _write(os.path.join(directory, "data.bin"), random.Random(1).randbytes(EMBEDDED_BYTES))
    _write(os.path.join(directory, "go.mod"), "module gotrace-leak.test/targets\n")  # go build's -modfile stands in for it
    _write(os.path.join(directory, "main.go"), _MAIN % {"imports": imports, "calls": calls})


def build(version="1.24"):
    """Path of the stripped executable; generated and built once."""
    output = os.path.join(harness.BUILD, "bin", version + "-stripped", "large")
    if not os.path.exists(output):
        with harness.temporary_directory() as directory:
            _generate(directory)
            harness.go_build(directory, output, version, "stripped")
    return output
