/* The probes: uprobe programs, one per kind of event. Each reads pt_regs and a little user memory, and leaves a record
 * in the ring buffer. They need Linux 5.8 (ring buffer) and no BTF of the kernel: nothing here depends on kernel
 * structs other than pt_regs, whose layout is ABI.
 *
 * They sit behind the stack check of a Go function, before its frame is built (user/probe/sites.h): arguments in
 * rax, rbx, rcx, rdi, rsi (Go >= 1.17, ABIInternal), r14 = g, [rsp] = return address, rbp = the caller's frame.
 *
 * uprobe_multi runs programs with migration disabled but preemptible, so per-CPU scratch memory is not ours alone: the
 * stack is walked once for its hash and, when new, a second time straight into the ring buffer. */
/* In this order: the helpers need the types of linux/bpf.h. */
/* clang-format off */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <gotrace/probe_events.h>
/* clang-format on */

#define FLAG_CARRY 0x01
#define FLAG_ZERO 0x40

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct gotrace_settings settings = {};

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 8 << 20);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, GOTRACE_PROBE_COUNT);
  __type(key, __u32);
  __type(value, struct gotrace_counters);
} counters SEC(".maps");

/* Hashes of stacks that were sent. What falls out is sent again. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 16384);
  __type(key, __u64);
  __type(value, __u32);
} seen SEC(".maps");

/* A hit of one of the probes, from guards to accounting. */
struct hit {
  struct gotrace_counters* count;
  __u64 time_ns;
  __u64 goid;
  __u64 stack;
};

static __always_inline void add(gotrace_u64* counter, __u64 n) {
  __sync_fetch_and_add(counter, n); /* on one CPU, but preemptible */
}

static __always_inline int is_target(void) {
  if (settings.namespace_inode == 0) return (bpf_get_current_pid_tgid() >> 32) == settings.tgid;
  struct bpf_pidns_info ids = {};
  if (bpf_get_ns_current_pid_tgid(settings.namespace_device, settings.namespace_inode, &ids, sizeof(ids)) != 0)
    return 0;
  return ids.tgid == settings.tgid;
}

static __always_inline int read_word(__u64 address, __u64* value) {
  return bpf_probe_read_user(value, sizeof(*value), (const void*)address) == 0;
}

/* False: not a call by the target. `hit` is then of no use. */
static __always_inline int begin(struct hit* hit, const struct pt_regs* regs, __u32 probe) {
  hit->time_ns = bpf_ktime_get_ns();
  hit->stack = 0;
  hit->goid = 0;
  hit->count = bpf_map_lookup_elem(&counters, &probe);
  if (!hit->count) return 0;
  add(&hit->count->traps, 1);
  if (!is_target()) {
    add(&hit->count->foreign, 1);
    return 0;
  }
  if ((settings.drop_taken >> probe) & 1) {
    if (regs->eflags & (FLAG_CARRY | FLAG_ZERO)) return 0; /* to morestack: this call comes by again */
  }
  add(&hit->count->hits, 1);
  if (!read_word(regs->r14 + settings.goid_offset, &hit->goid)) add(&hit->count->failed_reads, 1);
  return 1;
}

static __always_inline void end(const struct hit* hit) { add(&hit->count->run_ns, bpf_ktime_get_ns() - hit->time_ns); }

static __always_inline __u64 mix(__u64 hash, __u64 word) {
  hash = (hash ^ word) * 0x9fb21c651e98df25ULL;
  return hash ^ (hash >> 32);
}

struct frame {
  __u64 next;
  __u64 return_address;
};

/* One step of the frame pointer walk: false at the end, or (*truncated) where it can't go on. The pointer must rise. */
static __always_inline int step(struct frame* frame, __u32* truncated) {
  __u64 base = frame->next;
  if (base == 0) return 0;
  if (bpf_probe_read_user(frame, sizeof(*frame), (const void*)base) != 0) {
    *truncated = 1;
    return 0;
  }
  if (frame->return_address == 0) return 0;
  if (frame->next != 0 && frame->next <= base) frame->next = 0, *truncated = 1;
  return 1;
}

/* The innermost return address: that of the function whose entry was hit; where a probe sits behind a call
 * (settings.large_returned), its own address. */
static __always_inline int innermost(const struct pt_regs* regs, __u32 probe, struct frame* frame) {
  frame->next = regs->rbp;
  if (probe != GOTRACE_LARGE || !settings.large_returned) return read_word(regs->rsp, &frame->return_address);
  frame->return_address = regs->rip;
  return 1;
}

/* Hash of the stack of user return addresses; 0 when not even the first could be read. */
static __always_inline __u64 stack_hash(const struct pt_regs* regs, __u32 probe, __u32* truncated) {
  struct frame frame = {};
  if (!innermost(regs, probe, &frame)) return 0;
  __u64 hash = mix(0x8ebc6af09c88c6e3ULL, frame.return_address);
  for (int i = 1; i < GOTRACE_MAX_FRAMES; i++) {
    if (!step(&frame, truncated)) goto out;
    hash = mix(hash, frame.return_address);
  }
  if (frame.next != 0) *truncated = 1;
out:
  hash = mix(hash, *truncated);
  return hash ? hash : 1;
}

static __always_inline int send_stack(const struct pt_regs* regs, __u32 probe, __u64 hash, __u32 truncated) {
  struct gotrace_stack* stack = bpf_ringbuf_reserve(&events, sizeof(*stack), 0);
  if (!stack) return 0;
  struct frame frame = {};
  __u32 ignored = 0;
  __u32 count = 0;
  if (innermost(regs, probe, &frame)) {
    stack->pc[0] = frame.return_address;
    count = 1;
    for (int i = 1; i < GOTRACE_MAX_FRAMES; i++) {
      if (!step(&frame, &ignored)) break;
      stack->pc[i] = frame.return_address;
      count = i + 1;
    }
  }
  stack->kind = GOTRACE_EVENT_STACK;
  stack->size = sizeof(*stack);
  stack->hash = hash;
  stack->count = count;
  stack->truncated = truncated;
  bpf_ringbuf_submit(stack, BPF_RB_NO_WAKEUP);
  return 1;
}

/* Fills hit->stack and sees to it that the stack itself was sent before. */
static __always_inline void take_stack(struct hit* hit, const struct pt_regs* regs, __u32 probe) {
  __u32 truncated = 0;
  __u64 hash = stack_hash(regs, probe, &truncated);
  if (hash == 0) {
    add(&hit->count->failed_reads, 1);
    return;
  }
  if (truncated) add(&hit->count->truncated, 1);
  if (!bpf_map_lookup_elem(&seen, &hash)) {
    __u32 yes = 1;
    if (!send_stack(regs, probe, hash, truncated)) return;
    bpf_map_update_elem(&seen, &hash, &yes, BPF_ANY);
  }
  hit->stack = hash;
}

static __always_inline void fill(struct gotrace_event* event, const struct hit* hit, __u32 kind, __u32 size) {
  event->kind = kind;
  event->size = size;
  event->time_ns = hit->time_ns;
  event->goid = hit->goid;
  event->stack = hit->stack;
}

/* func newproc(fn *funcval) */
SEC("uprobe")
int births(struct pt_regs* regs) {
  struct hit hit;
  if (!begin(&hit, regs, GOTRACE_BIRTHS)) return 0;
  take_stack(&hit, regs, GOTRACE_BIRTHS);
  struct gotrace_birth* birth = bpf_ringbuf_reserve(&events, sizeof(*birth), 0);
  if (!birth) {
    add(&hit.count->lost, 1);
  } else {
    fill(&birth->event, &hit, GOTRACE_BIRTHS, sizeof(*birth));
    __u64 start = 0;
    if (!read_word(regs->rax, &start)) add(&hit.count->failed_reads, 1);
    birth->start_pc = start;
    bpf_ringbuf_submit(birth, BPF_RB_NO_WAKEUP);
  }
  end(&hit);
  return 0;
}

/* func goexit1() */
SEC("uprobe")
int ends(struct pt_regs* regs) {
  struct hit hit;
  if (!begin(&hit, regs, GOTRACE_ENDS)) return 0;
  struct gotrace_event* event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
  if (!event) {
    add(&hit.count->lost, 1);
  } else {
    fill(event, &hit, GOTRACE_ENDS, sizeof(*event));
    bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
  }
  end(&hit);
  return 0;
}

/* func gopark(unlockf func, lock unsafe.Pointer, reason waitReason, traceReason uint8, traceskip int) */
SEC("uprobe")
int parks(struct pt_regs* regs) {
  struct hit hit;
  if (!begin(&hit, regs, GOTRACE_PARKS)) return 0;
  struct gotrace_park* park = bpf_ringbuf_reserve(&events, sizeof(*park), 0);
  if (!park) {
    add(&hit.count->lost, 1);
  } else {
    fill(&park->event, &hit, GOTRACE_PARKS, sizeof(*park));
    park->wait_reason = regs->rcx & 0xff;
    bpf_ringbuf_submit(park, BPF_RB_NO_WAKEUP);
  }
  end(&hit);
  return 0;
}

static __always_inline int read_span(struct gotrace_refill* refill) {
  __u64 span = 0, bits = 0;
  __u32 size = settings.span_size;
  if (size > GOTRACE_SPAN_BYTES) return 0;
  if (!read_word(refill->mcache + settings.mcache_alloc + 8ULL * refill->span_class, &span)) return 0;
  if (bpf_probe_read_user(refill->span_bytes, size, (const void*)span) != 0) return 0;
  if (!read_word(span + settings.span_alloc_bits, &bits)) return 0;
  refill->span = span;
  if (bits == 0) return 1; /* runtime.emptymspan */
  if (bpf_probe_read_user(refill->bits, GOTRACE_BITS_BYTES, (const void*)bits) == 0) {
    refill->bits_count = GOTRACE_BITS_BYTES;
  } else if (bpf_probe_read_user(refill->bits, 8, (const void*)bits) == 0) {
    refill->bits_count = 8; /* bits are handed out by 8 bytes; these may be the last of their page */
  }
  return 1;
}

/* func (c *mcache) refill(spc spanClass) */
SEC("uprobe")
int refills(struct pt_regs* regs) {
  struct hit hit;
  if (!begin(&hit, regs, GOTRACE_REFILL)) return 0;
  take_stack(&hit, regs, GOTRACE_REFILL);
  struct gotrace_refill* refill = bpf_ringbuf_reserve(&events, sizeof(*refill), 0);
  if (!refill) {
    add(&hit.count->lost, 1);
  } else {
    fill(&refill->event, &hit, GOTRACE_REFILL, sizeof(*refill));
    refill->mcache = regs->rax;
    refill->span_class = regs->rbx & 0xff;
    refill->span = 0;
    refill->bits_count = 0;
    if (refill->span_class < settings.span_classes && !read_span(refill)) add(&hit.count->failed_reads, 1);
    bpf_ringbuf_submit(refill, BPF_RB_NO_WAKEUP);
  }
  end(&hit);
  return 0;
}

static __always_inline void send_allocation(struct hit* hit, const struct pt_regs* regs, __u32 probe, __u64 size) {
  take_stack(hit, regs, probe);
  struct gotrace_allocation* allocation = bpf_ringbuf_reserve(&events, sizeof(*allocation), 0);
  if (!allocation) {
    add(&hit->count->lost, 1);
    return;
  }
  fill(&allocation->event, hit, probe, sizeof(*allocation));
  allocation->size = size;
  bpf_ringbuf_submit(allocation, BPF_RB_NO_WAKEUP);
}

/* What allocLarge returned is in rax behind the call. */
static __always_inline void send_large(struct hit* hit, const struct pt_regs* regs) {
  take_stack(hit, regs, GOTRACE_LARGE);
  struct gotrace_large* large = bpf_ringbuf_reserve(&events, sizeof(*large), 0);
  if (!large) {
    add(&hit->count->lost, 1);
    return;
  }
  fill(&large->event, hit, GOTRACE_LARGE, sizeof(*large));
  __u32 size = settings.span_size;
  large->span = regs->rax;
  if (size > GOTRACE_SPAN_BYTES || bpf_probe_read_user(large->span_bytes, size, (const void*)regs->rax) != 0) {
    large->span = 0;
    add(&hit->count->failed_reads, 1);
  }
  bpf_ringbuf_submit(large, BPF_RB_NO_WAKEUP);
}

/* func (c *mcache) allocLarge(size uintptr, noscan bool) *mspan */
SEC("uprobe")
int large(struct pt_regs* regs) {
  struct hit hit;
  if (!begin(&hit, regs, GOTRACE_LARGE)) return 0;
  if (settings.large_returned) {
    send_large(&hit, regs);
  } else {
    send_allocation(&hit, regs, GOTRACE_LARGE, regs->rbx);
  }
  end(&hit);
  return 0;
}

/* func mallocgc(size uintptr, typ *_type, needzero bool) unsafe.Pointer, and its kin by size class. Since Go 1.26
 * mallocgc hands small sizes on to them (runtime/malloc.go), which must not count twice. */
SEC("uprobe")
int mallocs(struct pt_regs* regs) {
  struct hit hit;
  if (!begin(&hit, regs, GOTRACE_MALLOC)) return 0;
  __u64 caller = 0;
  read_word(regs->rsp, &caller);
  if (caller >= settings.malloc_begin && caller < settings.malloc_end) {
    add(&hit.count->hits, -1ULL);
  } else {
    send_allocation(&hit, regs, GOTRACE_MALLOC, regs->rax);
  }
  end(&hit);
  return 0;
}

/* What a trap costs by itself: counts and nothing else. Runs on a child of our own. */
SEC("uprobe")
int calibrate(struct pt_regs* regs) {
  __u32 probe = GOTRACE_CALIBRATE;
  struct gotrace_counters* count = bpf_map_lookup_elem(&counters, &probe);
  if (!count) return 0;
  add(&count->traps, 1);
  return 0;
}
