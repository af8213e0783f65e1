/* What the naive tracer's BPF programs send. Plain C, for both sides. */
#ifndef GOTRACE_BENCH_NAIVE_H
#define GOTRACE_BENCH_NAIVE_H

#define NAIVE_FRAMES 32

enum naive_probe { NAIVE_NEWPROC = 0, NAIVE_GOPARK, NAIVE_MALLOCGC, NAIVE_PROBES };

struct naive_event {
  unsigned long long time_ns;
  unsigned int probe;
  unsigned int thread;
  unsigned long long argument;
  long long stack_bytes; /* negative: an error of bpf_get_stack */
  unsigned long long stack[NAIVE_FRAMES];
};

struct naive_counters { /* per CPU */
  unsigned long long hits;
  unsigned long long lost;
  unsigned long long run_ns;
};

#endif
