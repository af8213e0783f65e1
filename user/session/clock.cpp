#include "session/clock.h"

#include <sys/resource.h>
#include <time.h>

namespace gotrace::session {

namespace {

constexpr std::int64_t kNanoseconds = 1'000'000'000;

std::int64_t read_clock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::int64_t>(now.tv_sec) * kNanoseconds + now.tv_nsec;
}

rusage own_usage() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage;
}

std::uint64_t to_ns(const timeval& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * kNanoseconds + static_cast<std::uint64_t>(time.tv_usec) * 1000;
}

}  // namespace

std::uint64_t monotonic_ns() { return static_cast<std::uint64_t>(read_clock(CLOCK_MONOTONIC)); }
std::int64_t wall_ns() { return read_clock(CLOCK_REALTIME); }

std::uint64_t own_cpu_ns() {
  const rusage usage = own_usage();
  return to_ns(usage.ru_utime) + to_ns(usage.ru_stime);
}

std::uint64_t thread_cpu_ns() { return static_cast<std::uint64_t>(read_clock(CLOCK_THREAD_CPUTIME_ID)); }

std::uint64_t own_peak_rss_bytes() { return static_cast<std::uint64_t>(own_usage().ru_maxrss) * 1024; }

}  // namespace gotrace::session
