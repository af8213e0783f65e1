// Which frame of a stack to name, and the stable ids made of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "records/record.h"

namespace gotrace::detect {

[[nodiscard]] bool of_runtime(const Frame& frame);
// The first frame that is not the runtime's nor sync's inside (sync.runtime_Semacquire...); nullopt: none.
[[nodiscard]] std::optional<Frame> first_outside_runtime(const std::vector<Frame>& stack);
// The first frame that does not belong to the standard library; nullopt: none.
[[nodiscard]] std::optional<Frame> first_of_program(const std::vector<Frame>& stack);
[[nodiscard]] std::string place(const Frame& frame);  // "orderd/quote.go:88"

// CONTRACT section 3: kind prefix + 32 bits over kind, wait reason and function names, no line and no build.
[[nodiscard]] std::string stable_id(std::string_view prefix, std::string_view kind, std::string_view wait_reason,
                                    const std::vector<Frame>& frames);
// With file, line and build id.
[[nodiscard]] std::string exact_id(std::string_view prefix, std::string_view kind, std::string_view wait_reason,
                                   const std::vector<Frame>& frames, std::string_view build_id);
// Appends ".2", ".3", ... to ids that came before.
class UniqueIds {
 public:
  [[nodiscard]] std::string claim(const std::string& id);

 private:
  std::vector<std::string> taken_;
};

}  // namespace gotrace::detect
