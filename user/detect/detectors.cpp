// The register: one line a detector.
#include "detect/detector.h"

namespace gotrace::detect {

const std::vector<Detector>& detectors() {
  static const std::vector<Detector> all = {
      find_growing_goroutines,
      find_stuck_goroutines,
      find_growing_call_sites,
  };
  return all;
}

}  // namespace gotrace::detect
