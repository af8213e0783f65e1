// The register: one line a detector.
#include "detect/detector.h"

namespace gotrace::detect {

const std::vector<Detector>& detectors() {
  static const std::vector<Detector> all = {
      find_growing_goroutines,   find_stuck_goroutines,  find_growing_call_sites,  find_open_file_leaks,
      find_unexplained_resident, find_thread_leaks,      find_ticker_leaks,        find_deferred_in_loops,
      find_finalizer_leaks,      find_stack_growth,      find_retained_substrings, find_retained_subslices,
      find_retained_elements,    find_retained_by_stack, find_finalizer_cycles,    find_proved_goroutines,
  };
  return all;
}

}  // namespace gotrace::detect
