// Symbolizer: hands out LocationIds and StackIds and sends each one's definition to the sink before its first use.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "goruntime/program.h"
#include "records/record.h"

namespace gotrace::goruntime {

class Symbolizer {
 public:
  // Both must outlive the symbolizer.
  Symbolizer(const Program& program, RecordSink& sink);

  // `address`: run-time address. For a return address `is_return` is true and the call before it is described.
  // 0 yields LocationId::none.
  LocationId location(process::Address address, bool is_return);
  // `return_addresses`: run-time, innermost first. The first is an exact pc when `first_is_exact`.
  StackId stack(std::span<const process::Address> return_addresses, bool first_is_exact, bool truncated);
  // As the heap profile keeps them: one return address for each logical frame, inlined or not, of which only the
  // innermost function counts.
  StackId logical_stack(std::span<const process::Address> return_addresses);

 private:
  // Sends what `key` of locations_ stands for; `frames` may be empty.
  LocationId define(std::uint64_t key, std::uint64_t pc, std::vector<Frame> frames);
  StackId intern(std::vector<LocationId> locations, bool truncated);
  [[nodiscard]] bool is_wrapper(std::uint64_t pc, const std::vector<Frame>& frames) const;

  const Program& program_;
  RecordSink& sink_;
  std::string goroot_prefix_;  // of source files of the standard library; empty with -trimpath
  std::unordered_map<std::uint64_t, LocationId> locations_;
  std::set<LocationId> wrappers_;  // nothing but a wrapper is there
  std::map<std::vector<LocationId>, StackId> stacks_;
  std::map<std::vector<LocationId>, StackId> truncated_stacks_;
};

}  // namespace gotrace::goruntime
