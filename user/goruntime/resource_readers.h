// Readers of what a Go program can run out of besides heap and goroutines. Each look sends one ResourceLook, and rests
// for many times what it took: none of them is worth much of the target's time. One that can't work stays silent.
#pragma once

#include <memory>

#include "goruntime/readers.h"

namespace gotrace::goruntime {

// Threads by what the scheduler says of them. Go calls them M.
std::unique_ptr<Reader> make_thread_reader(const Program& program, RecordSink& sink);
// Timers in the Ps' heaps.
std::unique_ptr<Reader> make_timer_reader(const Program& program, Symbolizer& symbolizer, RecordSink& sink);
// Chains of deferred calls that one call of a function has made by the dozen: `defer` in a loop.
std::unique_ptr<Reader> make_defer_reader(const Program& program, Symbolizer& symbolizer, RecordSink& sink);
// Finalizers and cleanups that wait for their goroutine.
std::unique_ptr<Reader> make_finalizer_reader(const Program& program, RecordSink& sink);
// Objects that their own finalizers keep.
std::unique_ptr<Reader> make_finalizer_cycle_reader(const Program& program, Symbolizer& symbolizer, RecordSink& sink);

// When to look again: a look that took long is repeated less often.
class Rest {
 public:
  static constexpr std::uint64_t kTimes = 100;  // at most 1 % of our time
  [[nodiscard]] bool over(std::uint64_t now_ns) const { return now_ns >= next_ns_; }
  // `took_ns`: of CPU time.
  void begin(std::uint64_t now_ns, std::uint64_t took_ns) { next_ns_ = now_ns + kTimes * took_ns; }

 private:
  std::uint64_t next_ns_ = 0;
};

}  // namespace gotrace::goruntime
