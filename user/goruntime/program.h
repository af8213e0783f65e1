// Program: what can be known of a running Go program before reading its data: version and build, functions, where the
// runtime's globals are, and how its structs are laid out. Made once per target.
//
// The executable is mapped through /proc/PID/exe; nothing is copied. Layouts come from the table in layouts.h by Go
// version and are believed only after they were validated against the live process, source by source.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_reader.h"
#include "base/result.h"
#include "goruntime/function_table.h"
#include "goruntime/layouts.h"
#include "process/target.h"
#include "records/record.h"

namespace gotrace::goruntime {

struct BuildInfo {
  std::string go_version;  // "go1.24.4"
  int minor = 0;           // 24
  std::string main_module, main_version, vcs_revision, build_id;
  std::vector<std::string> modules;      // paths of the main module and all dependencies
  std::vector<std::string> experiments;  // GOEXPERIMENT
  bool cgo = false, stripped = false, pie = false, race = false;
  std::string arch;
};

// Address ranges of Go's data segments (moduledata), link-time.
struct DataRange {
  std::uint64_t begin = 0, end = 0;
};

class Program {
 public:
  // Error kinds: no_target when it is no Go program ("not a Go program (no Go build info)") or not amd64;
  // failed when its pclntab is damaged. `target` must outlive the program.
  [[nodiscard]] static Result<std::unique_ptr<Program>> open(const process::Target& target);
  virtual ~Program() = default;

  [[nodiscard]] virtual const BuildInfo& build_info() const = 0;
  [[nodiscard]] virtual const FunctionTable& functions() const = 0;
  [[nodiscard]] virtual std::uint64_t load_bias() const = 0;  // run-time address = link-time address + bias
  [[nodiscard]] virtual const Layout& layout() const = 0;
  [[nodiscard]] virtual bool layout_exact() const = 0;  // false: the row of another version, see TargetInfo
  // Run-time address of a global by its Go name without "runtime.": "allgs", "allglen", "allp", "mbuckets",
  // "MemProfileRate", "mheap_", "work.cycles", "waitReasonStrings", "memstats", "gcController", "finq", "allfin",
  // "mProfCycle", "firstmoduledata", "sched". nullopt: not found; why_missing() says why.
  [[nodiscard]] virtual std::optional<process::Address> global(std::string_view name) const = 0;
  [[nodiscard]] virtual std::string why_missing(std::string_view name) const = 0;
  [[nodiscard]] virtual const std::vector<std::string>& wait_reasons() const = 0;  // read from the process
  [[nodiscard]] virtual std::vector<DataRange> data_ranges() const = 0;  // data and bss that may hold pointers
  // Machine code of a function as it is in the file (uprobes of others excepted), for choosing probe sites.
  [[nodiscard]] virtual std::optional<Bytes> code(const FunctionRange& function) const = 0;
  // Offset in the executable file of a link-time address; nullopt: not backed by the file.
  [[nodiscard]] virtual std::optional<std::uint64_t> file_offset(std::uint64_t address) const = 0;
  // What the symbol table, where there is one, calls the package variable at a link-time address, and how far into it
  // the address is: "main.cache", "main.server+0x18". Empty: not known.
  [[nodiscard]] virtual std::string variable_name(std::uint64_t) const { return {}; }
  // Where the package variables lie that the symbol table names, link-time, in no order; empty: there is none.
  [[nodiscard]] virtual std::vector<DataRange> variable_ranges() const { return {}; }
  [[nodiscard]] virtual const process::Target& target() const = 0;
  // Fills everything that TargetInfo wants from the program and the process (procfs identity included).
  [[nodiscard]] virtual TargetInfo target_info() const = 0;
};

}  // namespace gotrace::goruntime
