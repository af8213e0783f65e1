/* The rival that the benchmark compares with: the three probes of this tool as one would write them first. At function
 * entry, the user stack and a record in the ring buffer for every hit, waking the reader as the kernel sees fit. */
/* clang-format off */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include "naive.h"
/* clang-format on */

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 8 << 20);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, NAIVE_PROBES);
  __type(key, __u32);
  __type(value, struct naive_counters);
} counters SEC(".maps");

static __always_inline int hit(struct pt_regs* regs, __u32 probe) {
  __u64 begin = bpf_ktime_get_ns();
  struct naive_counters* count = bpf_map_lookup_elem(&counters, &probe);
  if (!count) return 0;
  count->hits++;
  struct naive_event* event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
  if (!event) {
    count->lost++;
    return 0;
  }
  event->time_ns = begin;
  event->probe = probe;
  event->thread = (__u32)bpf_get_current_pid_tgid();
  event->argument = regs->rax;
  event->stack_bytes = bpf_get_stack(regs, event->stack, sizeof(event->stack), BPF_F_USER_STACK);
  bpf_ringbuf_submit(event, 0);
  count->run_ns += bpf_ktime_get_ns() - begin;
  return 0;
}

SEC("uprobe")
int newproc(struct pt_regs* regs) { return hit(regs, NAIVE_NEWPROC); }

SEC("uprobe")
int gopark(struct pt_regs* regs) { return hit(regs, NAIVE_GOPARK); }

SEC("uprobe")
int mallocgc(struct pt_regs* regs) { return hit(regs, NAIVE_MALLOCGC); }
