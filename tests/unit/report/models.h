// The three programs of the report's model screens, as analyses built by hand.
#pragma once

#include "detect/analysis.h"

namespace gotrace::report::test {

[[nodiscard]] Frame frame(const char* function, const char* file, int line, bool standard_library = false);
[[nodiscard]] detect::Analysis leaking();  // two leaks that grow, under a cgroup limit
[[nodiscard]] detect::Analysis healthy();
[[nodiscard]] detect::Analysis stuck();   // suspected, a check that could not run, a probe that was withheld
[[nodiscard]] detect::Analysis proved();  // of `prove`: goroutines that can never run again
[[nodiscard]] detect::Analysis nothing_proved();
[[nodiscard]] detect::Analysis unprovable();  // of which nothing can be proved
[[nodiscard]] detect::Analysis unknown();     // a trace that was cut before anything was recorded
[[nodiscard]] detect::Analysis hostile();     // names with control characters, bad UTF-8, very long ones

}  // namespace gotrace::report::test
