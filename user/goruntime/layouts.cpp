#include "goruntime/layouts.h"

#include <cstdlib>

namespace gotrace::goruntime {

const Layout& layout_for(int minor, bool& exact) {
  const auto rows = layouts();
  const Layout* best = &rows.front();
  for (const Layout& row : rows) {
    if (std::abs(row.minor - minor) <= std::abs(best->minor - minor)) best = &row;
  }
  exact = best->minor == minor;
  return *best;
}

}  // namespace gotrace::goruntime
