#include "goruntime/symbolizer.h"

#include <algorithm>
#include <string_view>

#include "goruntime/pclntab.h"

namespace gotrace::goruntime {
namespace {

// ".../src/" when the compiler recorded full paths ("/usr/lib/go/src/runtime/proc.go"); empty with -trimpath.
std::string find_goroot_prefix(const FunctionTable& functions) {
  constexpr std::string_view kSuffix = "runtime/";
  for (const char* name : {"runtime.gopark", "runtime.mallocgc", "runtime.main"}) {
    const auto function = functions.find(name);
    const auto frames = function ? functions.frames(function->entry) : std::vector<Frame>{};
    if (frames.empty()) continue;
    const std::string& file = frames.back().file;
    const auto slash = file.rfind('/');
    if (slash == std::string::npos) continue;
    const std::string_view directory = std::string_view(file).substr(0, slash + 1);
    if (directory.size() > kSuffix.size() && directory.ends_with("/src/runtime/")) {
      return std::string(directory.substr(0, directory.size() - kSuffix.size()));
    }
  }
  return {};
}

// "net/http" of "net/http.(*conn).serve"; type arguments and what follows are not looked at.
std::string_view package_of(std::string_view function) {
  function = function.substr(0, function.find_first_of("[("));
  const auto slash = function.rfind('/');
  const auto dot = function.find('.', slash == std::string_view::npos ? 0 : slash);
  return function.substr(0, dot);
}

bool is_under(std::string_view package, std::string_view module) {
  return package.starts_with(module) && (package.size() == module.size() || package[module.size()] == '/');
}

// Import paths of the standard library have no dot in their first element; a module path may have none either.
bool is_standard_package(std::string_view package, const BuildInfo& build) {
  if (package.empty() || package == "main" || package == "command-line-arguments" || package == "?") return false;
  if (package.starts_with("_cgo") || package.starts_with("x_cgo")) return false;
  if (package.substr(0, package.find('/')).find('.') != std::string_view::npos) return false;
  return std::ranges::none_of(build.modules,
                              [package](const std::string& module) { return is_under(package, module); });
}

bool is_standard_library(const Frame& frame, const std::string& goroot_prefix, const BuildInfo& build) {
  if (frame.function == "?" || frame.function.starts_with("_cgo")) return false;
  const bool full_path = frame.file.starts_with('/');
  if (full_path && !goroot_prefix.empty()) return frame.file.starts_with(goroot_prefix);
  return is_standard_package(package_of(frame.function), build);
}

}  // namespace

Symbolizer::Symbolizer(const Program& program, RecordSink& sink)
    : program_(program), sink_(sink), goroot_prefix_(find_goroot_prefix(program.functions())) {}

LocationId Symbolizer::location(process::Address address, bool is_return) {
  if (address == 0) return LocationId::none;
  const std::uint64_t pc = address - program_.load_bias() - (is_return ? 1 : 0);
  const auto known = locations_.find(pc);
  return known != locations_.end() ? known->second : define(pc, pc, program_.functions().frames(pc));
}

LocationId Symbolizer::define(std::uint64_t key, std::uint64_t pc, std::vector<Frame> frames) {
  const auto id = static_cast<LocationId>(locations_.size() + 1);
  locations_.emplace(key, id);
  if (is_wrapper(pc, frames)) wrappers_.insert(id);
  LocationRecord record{.id = id, .pc = pc, .frames = std::move(frames)};
  if (record.frames.empty()) record.frames.push_back({.function = "?", .file = ""});
  for (Frame& frame : record.frames) {
    frame.standard_library = is_standard_library(frame, goroot_prefix_, program_.build_info());
  }
  sink_.accept(record);
  return id;
}

StackId Symbolizer::stack(std::span<const process::Address> return_addresses, bool first_is_exact, bool truncated) {
  std::vector<LocationId> locations;
  locations.reserve(return_addresses.size());
  for (std::size_t i = 0; i < return_addresses.size(); ++i) {
    const LocationId id = location(return_addresses[i], i > 0 || !first_is_exact);
    if (id == LocationId::none || (i > 0 && wrappers_.contains(id))) continue;
    locations.push_back(id);
  }
  return intern(std::move(locations), truncated);
}

// Go's own traces leave out the wrappers that the compiler makes for `go f(x)`, and so do those of its heap profile
// (runtime/traceback.go, elideWrapperCalling).
bool Symbolizer::is_wrapper(std::uint64_t pc, const std::vector<Frame>& frames) const {
  const auto function = program_.functions().containing(pc);
  return function && frames.size() == 1 && frames.front().function == function->name &&
         function->function_id == wrapper_function_id(program_.build_info().minor);
}

StackId Symbolizer::intern(std::vector<LocationId> locations, bool truncated) {
  auto& known = truncated ? truncated_stacks_ : stacks_;
  const auto next = static_cast<StackId>(stacks_.size() + truncated_stacks_.size() + 1);
  const auto [place, is_new] = known.try_emplace(std::move(locations), next);
  if (!is_new) return place->second;
  sink_.accept(StackRecord{.id = next, .locations = place->first, .truncated = truncated});
  return next;
}

}  // namespace gotrace::goruntime
