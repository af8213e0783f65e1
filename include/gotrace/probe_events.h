/* What the probes in the kernel tell user space: records of the ring buffer, counters, and the settings they are loaded
 * with. Plain C, included by bpf/probes.bpf.c and user/probe/; fixed-width fields, no padding.
 *
 * Times are CLOCK_MONOTONIC ns (bpf_ktime_get_ns). Addresses are the target's, at run time. */
#ifndef GOTRACE_PROBE_EVENTS_H
#define GOTRACE_PROBE_EVENTS_H

#ifdef __cplusplus
#include <cstdint>
typedef std::uint32_t gotrace_u32;
typedef std::uint64_t gotrace_u64;
#else
typedef unsigned int gotrace_u32;
typedef unsigned long long gotrace_u64;
#endif

/* One BPF program each; index of its counters. */
enum gotrace_probe {
  GOTRACE_BIRTHS = 0, /* runtime.newproc */
  GOTRACE_ENDS,       /* runtime.goexit1 */
  GOTRACE_REFILL,     /* runtime.(*mcache).refill */
  GOTRACE_LARGE,      /* runtime.(*mcache).allocLarge */
  GOTRACE_PARKS,      /* runtime.gopark */
  GOTRACE_MALLOC,     /* the runtime.mallocgc family */
  GOTRACE_CALIBRATE,  /* a child of our own */
  GOTRACE_PROBE_COUNT
};

/* First word of every record in the ring buffer. The probe's number, or: */
#define GOTRACE_EVENT_STACK 0x100

#define GOTRACE_MAX_FRAMES 64

struct gotrace_event {
  gotrace_u32 kind;
  gotrace_u32 size; /* bytes of the whole record: checked against what the buffer says */
  gotrace_u64 time_ns;
  gotrace_u64 goid;  /* 0: could not be read, or the thread was on a system stack */
  gotrace_u64 stack; /* hash of the stack; 0: none */
};
struct gotrace_birth {
  struct gotrace_event event;
  gotrace_u64 start_pc; /* function to run; 0: could not be read */
};
struct gotrace_park {
  struct gotrace_event event;
  gotrace_u64 wait_reason;
};
struct gotrace_allocation { /* GOTRACE_MALLOC; GOTRACE_LARGE at the entry of allocLarge */
  struct gotrace_event event;
  gotrace_u64 size;
};
#define GOTRACE_SPAN_BYTES 176 /* sizeof(runtime.mspan) is 136 to 168 */
#define GOTRACE_BITS_BYTES 32

/* The span that is replaced: the previous refill of this mcache and class installed it. Copied here and now, since a GC
 * may sweep it before user space looks. */
struct gotrace_refill {
  struct gotrace_event event;
  gotrace_u64 mcache;
  gotrace_u64 span;       /* its address; 0: could not be read, and nothing below is set but span_class */
  gotrace_u32 span_class; /* size class << 1 | noscan */
  gotrace_u32 bits_count; /* bytes of `bits` that were read */
  unsigned char span_bytes[GOTRACE_SPAN_BYTES];
  unsigned char bits[GOTRACE_BITS_BYTES]; /* the first of *span->allocBits */
};
/* GOTRACE_LARGE behind a call of allocLarge: the span that it returned, of the one object. */
struct gotrace_large {
  struct gotrace_event event;
  gotrace_u64 span; /* its address; 0: it could not be read */
  unsigned char span_bytes[GOTRACE_SPAN_BYTES];
};
/* Comes before the first event that carries its hash, and may come again. */
struct gotrace_stack {
  gotrace_u32 kind;
  gotrace_u32 size;
  gotrace_u64 hash;
  gotrace_u32 count;                  /* of `pc` */
  gotrace_u32 truncated;              /* there were more frames, or one could not be read */
  gotrace_u64 pc[GOTRACE_MAX_FRAMES]; /* return addresses, innermost first */
};

/* Per probe and CPU; they only grow. */
struct gotrace_counters {
  gotrace_u64 traps;        /* everything that made the program run: what costs */
  gotrace_u64 foreign;      /* of these, other processes that run the same file */
  gotrace_u64 hits;         /* of these, calls of the function by the target */
  gotrace_u64 lost;         /* hits without a record: the ring buffer was full */
  gotrace_u64 failed_reads; /* hits of which something could not be read from user memory */
  gotrace_u64 truncated;    /* hits with a truncated stack */
  gotrace_u64 run_ns;       /* time spent in the program */
};

/* Read-only settings, written before the programs are loaded. */
struct gotrace_settings {
  /* Who is traced: tgid as seen from the pid namespace (device, inode) it lives in; inode 0: from the initial one. */
  gotrace_u64 namespace_device;
  gotrace_u64 namespace_inode;
  gotrace_u32 tgid;
  gotrace_u32 goid_offset;     /* runtime.g.goid */
  gotrace_u32 mcache_alloc;    /* runtime.mcache.alloc */
  gotrace_u32 span_classes;    /* length of that array; 0: unknown, don't look at spans */
  gotrace_u32 span_size;       /* sizeof(runtime.mspan), at most GOTRACE_SPAN_BYTES */
  gotrace_u32 span_alloc_bits; /* runtime.mspan.allocBits */
  gotrace_u32 drop_taken;      /* bit per probe: it sits on a `jbe`; a hit with the branch taken comes again */
  gotrace_u32 large_returned;  /* not 0: GOTRACE_LARGE sits behind calls of allocLarge, not at its entry */
  gotrace_u64 malloc_begin;    /* code of runtime.mallocgc: calls of its kin from there are already counted */
  gotrace_u64 malloc_end;
};

#endif
