#include "detect/frames.h"

#include <fmt/format.h>

#include <algorithm>

namespace gotrace::detect {
namespace {

// FNV-1a, 64 bits (draft-eastlake-fnv): ids need stability, not strength.
class Hash {
 public:
  void add(std::string_view text) {
    for (const char c : text) step(static_cast<unsigned char>(c));
    step(0);
  }
  [[nodiscard]] std::uint32_t folded() const { return static_cast<std::uint32_t>(value_ ^ (value_ >> 32)); }

 private:
  void step(unsigned char byte) { value_ = (value_ ^ byte) * 0x100000001b3ULL; }
  std::uint64_t value_ = 0xcbf29ce484222325ULL;
};

std::string with_prefix(std::string_view prefix, const Hash& hash) {
  return fmt::format("{}-{:08x}", prefix, hash.folded());
}

}  // namespace

bool of_runtime(const Frame& frame) {
  const std::string_view name = frame.function;
  return name.starts_with("runtime.") || name.starts_with("sync.runtime_") ||
         name.starts_with("internal/poll.runtime_") || name.starts_with("internal/runtime/") ||
         name.starts_with("runtime/internal/");
}

std::optional<Frame> first_outside_runtime(const std::vector<Frame>& stack) {
  const auto found = std::find_if_not(stack.begin(), stack.end(), of_runtime);
  return found == stack.end() ? std::nullopt : std::optional(*found);
}

std::optional<Frame> first_of_program(const std::vector<Frame>& stack) {
  const auto found = std::find_if(stack.begin(), stack.end(), [](const Frame& f) { return !f.standard_library; });
  return found == stack.end() ? std::nullopt : std::optional(*found);
}

std::string place(const Frame& frame) {
  const std::string_view file = frame.file;
  auto cut = file.rfind('/');
  if (cut != std::string_view::npos && cut > 0) cut = file.rfind('/', cut - 1);
  const auto tail = cut == std::string_view::npos ? file : file.substr(cut + 1);
  return fmt::format("{}:{}", tail, frame.line);
}

std::string stable_id(std::string_view prefix, std::string_view kind, std::string_view wait_reason,
                      const std::vector<Frame>& frames) {
  Hash hash;
  hash.add(kind);
  hash.add(wait_reason);
  for (const Frame& frame : frames) hash.add(frame.function);
  return with_prefix(prefix, hash);
}

std::string exact_id(std::string_view prefix, std::string_view kind, std::string_view wait_reason,
                     const std::vector<Frame>& frames, std::string_view build_id) {
  Hash hash;
  hash.add(kind);
  hash.add(wait_reason);
  hash.add(build_id);
  for (const Frame& frame : frames) hash.add(fmt::format("{}\n{}\n{}", frame.function, frame.file, frame.line));
  return with_prefix(prefix, hash);
}

std::string UniqueIds::claim(const std::string& id) {
  const auto count = std::count(taken_.begin(), taken_.end(), id);
  taken_.push_back(id);
  return count == 0 ? id : fmt::format("{}.{}", id, count + 1);
}

}  // namespace gotrace::detect
