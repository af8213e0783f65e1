/* Fills a ring buffer as the probes do, as fast as it goes: what bench_pipeline drains. */
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "fill.h"
/* clang-format on */

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 64 << 20);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, FILL_TEMPLATES);
  __type(key, __u32);
  __type(value, struct fill_template);
} templates SEC(".maps");

__u64 sent = 0;
__u64 lost = 0;

/* Sends as many records as there are templates, any of them in any order and of any goroutine, so that caches and
 * compression find no pattern; BPF_PROG_TEST_RUN repeats it. */
SEC("tc")
int fill(struct __sk_buff* packet) {
  __u64 now = bpf_ktime_get_ns();
  for (__u32 i = 0; i < FILL_TEMPLATES; i++) {
    __u32 random = bpf_get_prandom_u32();
    __u32 key = random % FILL_TEMPLATES;
    struct fill_template* one = bpf_map_lookup_elem(&templates, &key);
    if (!one) return 0;
    struct gotrace_park record = one->record;
    record.event.time_ns = now + (random >> 24);
    record.event.goid += (random >> 8) & 0x3fff;
    long error = one->size == sizeof(record.event)
                     ? bpf_ringbuf_output(&events, &record.event, sizeof(record.event), BPF_RB_NO_WAKEUP)
                     : bpf_ringbuf_output(&events, &record, sizeof(record), BPF_RB_NO_WAKEUP);
    if (error) {
      lost++;
    } else {
      sent++;
    }
  }
  return 0;
}
