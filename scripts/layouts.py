#!/usr/bin/env python3
"""Generate user/goruntime/layouts.h and layouts_table.cpp: where the fields of Go's runtime structs lie, by Go version.

For each toolchain a small program that links what it takes is built and its DWARF is read with gdb; the fields named
below are written out. A field that a version does not have is left out of its row.

  scripts/layouts.py --toolchains DIR            DIR/VERSION/usr/lib/go-VERSION/bin/go, as scripts/toolchains.sh leaves them
  scripts/layouts.py --toolchains DIR --check    fail when the files in the tree differ from what would be written
  --dumps DIR                                    keep (and, with --reuse, use) the raw gdb dumps, DIR/layout-VERSION.json

To add a field, name it here and run the script.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

VERSIONS = "1.15 1.19 1.21 1.22 1.23 1.24 1.25 1.26 1.27".split()

# C++ member of Layout -> (DWARF types, the first that exists counts; fields by their Go path). Go's '.' becomes '_'.
STRUCTS = {
    "g": (["runtime.g"], """
        goid atomicstatus waitreason waitsince gopc startpc parentGoid ancestors m sched_sp sched_pc sched_bp sched_ctxt
        sched_g stack_lo stack_hi stackguard0 stktopsp syscallsp syscallpc syscallbp waiting param timer sleepWhen
        parkingOnChan activeStackChans trackingSeq tracking trackingStamp runnableStamp lockedm coroarg _defer _panic
        schedlink selectDone syncGroup bubble labels gcAssistBytes preempt preemptStop asyncSafePoint goroutineProfiled"""),
    "m": (["runtime.m"], """
        g0 gsignal procid curg p nextp oldp id lockedg alllink waitunlockf waitlock spinning blocked incgo ncgo ncgocall
        isextra mallocing gcing locks schedlink freelink waitTraceBlockReason"""),
    "p": (["runtime.p"], """
        id status link m mcache goidcache goidcacheend schedtick syscalltick runqhead runqtail runq runnext
        sudogcache sudogcache_array sudogcache_len sudogcache_cap gFree_n
        timers timers_array timers_len timers_cap timers_heap timers_heap_array timers_heap_len timers_minWhenHeap
        timers_minWhenModified timers_zombies timer0When timerModifiedEarliest numTimers deletedTimers timersLock
        statsSeq gcw wbBuf"""),
    "sudog": (["runtime.sudog"], """
        g next prev elem acquiretime releasetime ticket isSelect success parent waitlink waittail c waiters"""),
    "hchan": (["runtime.hchan"], """
        qcount dataqsiz buf elemsize closed timer elemtype sendx recvx recvq_first recvq_last sendq_first sendq_last lock
        synctest bubble"""),
    "timer": (["runtime.timer"], """
        pp mu astate state isChan blocked when period f arg arg_data seq nextwhen status ts sendLock isSending isFake"""),
    "timers": (["runtime.timers"], "heap heap_array heap_len len zombies minWhenHeap minWhenModified syncGroup"),
    "timerWhen": (["runtime.timerWhen"], "timer when"),
    "timeTimer": (["runtime.timeTimer"], "c init timer"),
    "semaRoot": (["runtime.semaRoot"], "lock treap nwait"),
    "semTable": (["var:runtime.semtable"], ""),
    "mspan": (["runtime.mspan"], """
        next prev startAddr npages manualFreeList freeindex nelems freeIndexForScan allocCache allocBits gcmarkBits
        pinnerBits sweepgen divMul allocCount spanclass state needzero isUserArenaChunk elemsize limit specials largeType
        allocCountBeforeCache"""),
    "mheap": (["runtime.mheap"], """
        lock sweepgen sweepdone sweepDrained allspans allspans_array allspans_len pagesInUse pagesSwept arenas allArenas
        allArenas_array allArenas_len heapArenas_array heapArenas_len central curArena_base curArena_end reclaimIndex
        spanalloc cleanupID pages pages_inUse_totalBytes"""),
    "heapArena": (["runtime.heapArena"], """
        bitmap noMorePtrs spans pageInUse pageMarks pageSpecials zeroedBase heapArenaPtrScalar
        pageUseSpanInlineMarkBits"""),
    "mcache": (["runtime.mcache"], """
        nextSample next_sample scanAlloc local_scan tiny tinyoffset tinyAllocs local_tinyallocs alloc stackcache
        local_largefree local_nlargefree local_nsmallfree flushGen memProfRate"""),
    "mcentral": (["runtime.mcentral"], "spanclass nonempty empty partial full nmalloc"),
    "mstats": (["runtime.mstats"], """
        heapStats heapStats_stats heapStats_gen heapStats_noPLock stacks_inuse stacks_sys mspan_inuse mspan_sys
        mcache_inuse mcache_sys buckhash_sys gcMiscSys gc_sys other_sys sys heap_sys heap_idle heap_inuse heap_released
        heap_objects heap_alloc alloc total_alloc nmalloc nfree tinyallocs by_size next_gc last_next_gc last_heap_inuse
        lastHeapInUse last_gc_unix last_gc_nanotime pause_total_ns pause_ns pause_end numgc numforcedgc gc_cpu_fraction
        enablegc gc_trigger heap_live heap_scan heap_marked"""),
    "mstatsBySize": (["elem:runtime.mstats.by_size"], "size_ nmalloc nfree"),
    "consistentHeapStats": (["runtime.consistentHeapStats"], "stats gen noPLock"),
    "heapStatsDelta": (["runtime.heapStatsDelta"], """
        committed released inHeap inStacks inWorkBufs inPtrScalarBits tinyAllocCount largeAlloc largeAllocCount
        smallAllocCount largeFree largeFreeCount smallFreeCount"""),
    "gcControllerState": (["runtime.gcControllerState"], """
        gcPercent memoryLimit heapMinimum gcPercentHeapGoal sweepDistMinTrigger triggered lastHeapGoal heapLive heapScan
        lastHeapScan lastStackScan maxStackScan globalsScan heapMarked bgScanCredit heapInUse heapReleased heapFree
        totalAlloc totalFree mappedReady markStartTime assistTime dedicatedMarkTime idleMarkTime"""),
    "work": (["runtime.workType", "var:runtime.work"], """
        full empty bytesMarked nproc tstart nwait mode userForced initialHeapLive cycles stwprocs maxprocs tSweepTerm tMark
        tMarkTerm tEnd pauseNS heap0 heap1 heap2 cpuStats_GCTotalTime cpuStats_TotalTime cpuStats_IdleTime totaltime"""),
    "bucket": (["runtime.bucket"], "next allnext typ hash size_ nstk"),
    "memRecord": (["runtime.memRecord"], "active active_allocs active_frees active_alloc_bytes active_free_bytes future"),
    "memRecordCycle": (["runtime.memRecordCycle"], "allocs frees alloc_bytes free_bytes"),
    "mProfCycleHolder": (["runtime.mProfCycleHolder"], "value"),
    "moduledata": (["runtime.moduledata"], """
        pcHeader pclntable pclntable_len funcnametab funcnametab_len cutab cutab_len filetab filetab_len pctab pctab_len
        ftab ftab_len findfunctab minpc maxpc text etext noptrdata enoptrdata data edata bss ebss noptrbss enoptrbss
        covctrs ecovctrs end gcdata gcbss types etypes typedesclen itaboffset rodata gofunc epclntab textsectmap
        textsectmap_len typelinks typelinks_len itablinks itablinks_len ptab pluginpath pkghashes inittasks modulename
        modulehashes hasmain bad gcdatamask gcdatamask_bytedata gcbssmask gcbssmask_bytedata typemap next"""),
    "pcHeader": (["runtime.pcHeader"], """
        magic minLC ptrSize nfunc nfiles textStart funcnameOffset cuOffset filetabOffset pctabOffset pclnOffset"""),
    "_func": (["runtime._func"], """
        entry entryoff entryOff nameoff nameOff args deferreturn pcsp pcfile pcln npcdata cuOffset startLine funcID flag
        nfuncdata"""),
    "functab": (["runtime.functab"], "entry entryoff funcoff"),
    "textsect": (["runtime.textsect"], "vaddr end length baseaddr"),
    "inlinedCall": (["runtime.inlinedCall"], "parent funcID file line func_ nameOff parentPc startLine"),
    "schedt": (["runtime.schedt"], """
        goidgen lastpoll lock midle nmidle mnext maxmcount nmsys nmfreed ngsys npidle nmspinning runqsize gFree gcwaiting
        stopwait sudogcache totaltime idleTime goroutinesCreated timeToRun"""),
    "funcval": (["runtime.funcval"], "fn"),
    "finblock": (["runtime.finblock", "runtime.finBlock"], "alllink next cnt fin"),
    "finalizer": (["runtime.finalizer"], "fn arg nret fint ot"),
    "cleanupQueue": (["runtime.cleanupQueue"], "full workUnits free all ng needg queued executed running"),
    "cleanupBlock": (["runtime.cleanupBlock"], "cleanupBlockHeader_alllink cleanupBlockHeader_n cleanups"),
    "special": (["runtime.special"], "next offset kind"),
    "specialfinalizer": (["runtime.specialfinalizer"], "special fn nret fint ot"),
    "specialprofile": (["runtime.specialprofile"], "special b"),
    "specialWeakHandle": (["runtime.specialWeakHandle"], "special handle"),
    "specialCleanup": (["runtime.specialCleanup"], "special fn id cleanup"),
    "_defer": (["runtime._defer"], """
        siz started heap openDefer rangefunc sp pc fn _panic link head fd varp framepc"""),
    "ancestorInfo": (["runtime.ancestorInfo"], "pcs goid gopc"),
    "_type": (["internal/abi.Type", "runtime._type"], """
        Size_ size_ PtrBytes ptrdata Hash hash TFlag tflag Align_ Kind_ kind GCData gcdata Str str"""),
    "itab": (["internal/abi.ITab", "runtime.itab"], "inter Inter _type Type hash Hash fun Fun"),
}

# Links pprof, timers, finalizers, channels, maps, goroutine ids: everything whose types are asked for must be in DWARF.
PROGRAM = """package main
import ("bytes"; "os"; "runtime"; "runtime/pprof"; "sync"; "time"; "fmt")
type node struct { next *node; m map[string]int }
func main() {
	var mu sync.Mutex
	c := make(chan int, 4)
	n := &node{m: map[string]int{"a": 1}}
	runtime.SetFinalizer(n, func(*node) {})
	t := time.AfterFunc(time.Hour, func() { mu.Lock() })
	tick := time.NewTicker(time.Second)
	var once sync.Once
	once.Do(func() { go func() { c <- 1 }() })
	select { case v := <-c: fmt.Println(v); case <-tick.C: }
	t.Stop(); tick.Stop()
	var b bytes.Buffer
	pprof.Lookup("heap").WriteTo(&b, 0)
	pprof.Lookup("goroutine").WriteTo(&b, 2)
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	runtime.GC()
	fmt.Fprintln(os.Stderr, s.NumGC, b.Len())
}
"""

GDB_SCRIPT = r"""
import gdb, json, os
out = {}
def describe(t):
    t = t.strip_typedefs()
    fields = []
    if t.code == gdb.TYPE_CODE_STRUCT: flat(t, 0, '', fields, 0)
    return {'size': t.sizeof, 'type': str(t), 'fields': fields}
def flat(t, base, prefix, fields, depth):
    for f in t.fields():
        if not hasattr(f, 'bitpos'): continue
        ft = f.type.strip_typedefs()
        name = prefix + f.name
        offset = base + f.bitpos // 8
        fields.append((name, offset, ft.sizeof, str(f.type)))
        if ft.code == gdb.TYPE_CODE_STRUCT and depth < 4 and str(f.type) not in ('string', 'struct string'):
            flat(ft, offset, name + '.', fields, depth + 1)
def lookup(name):
    for prefix in ('', 'struct '):
        try: return gdb.lookup_type(prefix + name)
        except gdb.error: pass
    return None
def wanted(name):
    if name.startswith('var:'): return gdb.parse_and_eval("'%s'" % name[4:]).type
    if name.startswith('elem:'):
        owner, field = name[5:].rsplit('.', 1)
        t = lookup(owner)
        return t.strip_typedefs()[field].type.target() if t and field in t.strip_typedefs() else None
    return lookup(name)
for name in os.environ['GOTRACE_TYPES'].split():
    try: t = wanted(name)
    except gdb.error: t = None
    if t is not None: out[name] = describe(t)
json.dump(out, open(os.environ['GOTRACE_OUT'], 'w'))
"""


def dump_toolchain(version, toolchains, out_path):
    root = os.path.join(os.path.abspath(toolchains), version, f"usr/lib/go-{version}")
    with tempfile.TemporaryDirectory() as work:
        for name, text in (("main.go", PROGRAM), ("go.mod", "module layouts\n"), ("read.py", GDB_SCRIPT)):
            with open(os.path.join(work, name), "w", encoding="utf-8") as f:
                f.write(text)
        env = dict(os.environ, GOROOT=root, GOTOOLCHAIN="local", GO111MODULE="on", GOFLAGS="-mod=mod", GOPROXY="off",
                   CGO_ENABLED="0", GOCACHE=os.path.join(work, "cache"), GOTRACE_OUT=os.path.abspath(out_path),
                   GOTRACE_TYPES=" ".join(t for types, _ in STRUCTS.values() for t in types))
        # -dwarf with compression off and DWARF 4 keeps gdb of Debian 12 able to read 1.25 and later.
        build = [f"{root}/bin/go", "build", "-ldflags=-compressdwarf=false", "-o", "layouts", "."]
        subprocess.run(build, cwd=work, env=env, check=True)
        subprocess.run(["gdb", "-nx", "-iex", "set auto-load off", "-batch", "-x", "read.py", "layouts"], cwd=work,
                       env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def cpp_name(go_path):
    """'.' becomes '_'; a field that Go calls size is size_, as `size` is the struct's own."""
    return "size_" if go_path == "size" else go_path.replace(".", "_")


def array_count(type_name):
    match = re.match(r"\[(\d+)\]", type_name)
    return int(match.group(1)) if match else 1


def struct_row(dump, types, wanted):
    """(size, count, {field: (offset, size, count)}) of the first of `types` that this version has."""
    for name in types:
        entry = dump.get(name)
        if entry is None or "size" not in entry:
            continue
        found = {}
        for path, offset, size, type_name in entry.get("fields", []):
            if cpp_name(path) in wanted and cpp_name(path) not in found and size > 0:
                found[cpp_name(path)] = (offset, size, array_count(type_name))
        return entry["size"], array_count(entry.get("type", "")), found
    return 0, 1, {}


HEADER_TOP = """// Generated by scripts/layouts.py from the DWARF of programs built with each Go release; do not edit.
//
// Where the fields of Go's runtime structs lie, by Go version. Names are Go's, '.' written as '_'; a field that Go calls
// size is size_. A field that a version does not have is not present(): ask before use. Believed only after validation
// against the live process.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace gotrace::goruntime {

struct Field {
  static constexpr std::uint32_t kAbsent = 0xffffffff;
  std::uint32_t offset = kAbsent;  // bytes from the start of the struct
  std::uint32_t size = 0;          // bytes, of the whole field
  std::uint32_t count = 1;         // elements of an array [N]T; 1 when it is none
  [[nodiscard]] constexpr bool present() const { return offset != kAbsent; }
  [[nodiscard]] constexpr std::uint32_t end() const { return offset + size; }
  [[nodiscard]] constexpr std::uint32_t element_size() const { return size / count; }
};

// Every struct has `size` in bytes, 0: the version has no such struct. `semTable` is an array of 251 semaRoots, each
// padded to a cache line (runtime/sema.go, semTabSize).
struct Layout {
  std::string_view go_version;  // "1.24"
  int minor = 0;                // 24
"""

HEADER_END = """};

// All rows, oldest first.
[[nodiscard]] std::span<const Layout> layouts();

// The row of Go 1.`minor`, or the nearest one (the newer of two equally near). `exact`: it is that very version's.
[[nodiscard]] const Layout& layout_for(int minor, bool& exact);

}  // namespace gotrace::goruntime
"""

TABLE_TOP = """// Generated by scripts/layouts.py from the DWARF of programs built with each Go release; do not edit.
#include "goruntime/layouts.h"

namespace gotrace::goruntime {
namespace {

"""

TABLE_END = """
}  // namespace

std::span<const Layout> layouts() { return kLayouts; }

}  // namespace gotrace::goruntime
"""


def header():
    text = HEADER_TOP
    for name, (_, fields) in STRUCTS.items():
        text += f"  struct {{\n    std::uint32_t size = 0;\n    std::uint32_t count = 1;  // elements, when it is an array\n"
        text += "".join(f"    Field {field}{{}};\n" for field in fields.split())
        text += f"  }} {name}{{}};\n"
    return text + HEADER_END


def table(dumps):
    text = TABLE_TOP + "constexpr Layout kLayouts[] = {\n"
    for version in VERSIONS:
        text += f'    {{.go_version = "{version}",\n     .minor = {version.split(".")[1]},\n'
        for name, (types, fields) in STRUCTS.items():
            size, count, found = struct_row(dumps[version], types, set(fields.split()))
            if size == 0:
                continue
            parts = [f".size = {size}"] + ([f".count = {count}"] if count != 1 else [])
            for field in fields.split():
                if field in found:
                    offset, field_size, n = found[field]
                    parts.append(f".{field} = {{{offset}, {field_size}" + (f", {n}}}" if n != 1 else "}"))
            text += f"     .{name} = {{" + ", ".join(parts) + "},\n"
        text += "    },\n"
    return text + "};\n" + TABLE_END


def clang_format(text, name):
    return subprocess.run(["clang-format", f"--assume-filename={name}"], input=text, text=True, check=True,
                          stdout=subprocess.PIPE).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toolchains", default=os.environ.get("GOTRACE_TOOLCHAINS", "/var/cache/gotrace-leak/go"))
    parser.add_argument("--dumps", help="directory of the raw dumps")
    parser.add_argument("--reuse", action="store_true", help="use dumps that exist instead of building")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    repository = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    dumps = {}
    with tempfile.TemporaryDirectory() as temporary:
        for version in VERSIONS:
            path = os.path.join(arguments.dumps or temporary, f"layout-{version}.json")
            if not (arguments.reuse and os.path.exists(path)):
                dump_toolchain(version, arguments.toolchains, path)
            with open(path, encoding="utf-8") as f:
                dumps[version] = json.load(f)
    outputs = {"layouts.h": header(), "layouts_table.cpp": table(dumps)}
    different = []
    for name, text in outputs.items():
        path = os.path.join(repository, "user/goruntime", name)
        formatted = clang_format(text, path)
        if arguments.check:
            with open(path, encoding="utf-8") as f:
                if f.read() != formatted:
                    different.append(path)
        else:
            with open(path, "w", encoding="utf-8") as f:
                f.write(formatted)
    if different:
        sys.exit("differs from what the toolchains say: " + ", ".join(different))


if __name__ == "__main__":
    main()
