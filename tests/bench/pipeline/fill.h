/* The records that the benchmark's BPF program fills the ring buffer with. Plain C, for both sides. */
#ifndef GOTRACE_BENCH_FILL_H
#define GOTRACE_BENCH_FILL_H

#include <gotrace/probe_events.h>

#define FILL_TEMPLATES 64

struct fill_template {
  gotrace_u64 size;           /* 32 or 40: bytes of `record` that are sent */
  struct gotrace_park record; /* any kind of this size; time and goid are set anew */
};

#endif
