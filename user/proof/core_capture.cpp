#include "proof/core_capture.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/private_file.h"
#include "goruntime/goroutine_reader_batch.h"
#include "goruntime/goroutine_reader_list.h"
#include "goruntime/heap_arenas.h"
#include "process/core_file.h"
#include "process/elf_image.h"
#include "process/executable_memory.h"
#include "proof/captured_heap.h"

namespace gotrace::proof {
namespace {

using process::Address;
using process::CoreFile;
using process::CoreSegment;
using process::MemoryRange;

constexpr std::uint64_t kPage = 4096;
constexpr std::size_t kPiece = 1U << 20;

// The core, and behind it the executable.
class CoreMemory final : public process::RemoteMemory {
 public:
  CoreMemory(CoreFile core, process::ElfImage image, Address bias)
      : core_(std::move(core)), executable_(std::move(image), bias) {}
  [[nodiscard]] bool read(Address address, std::span<std::byte> into) override {
    return core_.read(address, into) || executable_.read(address, into);
  }
  [[nodiscard]] CoreFile& core() { return core_; }

 private:
  CoreFile core_;
  process::ExecutableMemory executable_;
};

// A copy, since a file on disk may be cut short while it is read in place.
Result<UniqueFd> copy_of(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  UniqueFd copy(::memfd_create("executable", MFD_CLOEXEC));
  struct stat status {};
  if (!file || !copy || ::fstat(file.get(), &status) != 0)
    return failure(fmt::format("{}: can't read the executable: {}; name it with --exe FILE", path, system_text(errno)));
  if (!S_ISREG(status.st_mode)) return failure(fmt::format("{}: no file; name the executable with --exe FILE", path));
  std::vector<std::byte> piece(kPiece);
  for (;;) {
    const ssize_t count = ::read(file.get(), piece.data(), piece.size());
    if (count == 0) return copy;
    if (count < 0 || ::write(copy.get(), piece.data(), static_cast<std::size_t>(count)) != count)
      return failure(fmt::format("{}: can't read the executable: {}", path, system_text(errno)));
  }
}

// The first page, with headers and build id, is in cores by default (core(5), coredump_filter bit 4), and not written
// to: probes and breakpoints are in code. nullopt: it is not in this one.
std::optional<bool> is_executable_of(CoreFile& core, const process::ElfImage& image, Address bias) {
  const process::Segment& first = image.segments().front();
  const Address expected = first.address + bias;
  const auto begin = core.executable_begin();
  const Address there = begin ? *begin + first.address % kPage : expected;
  const Bytes in_file = image.contents(first).first(std::min<std::size_t>(image.contents(first).size(), kPage));
  std::vector<std::byte> in_core(in_file.size());
  if (in_file.empty() || !core.read(there, in_core)) return std::nullopt;
  return expected == there && std::ranges::equal(in_file, in_core);
}

class CoreCapturing {
 public:
  CoreCapturing(std::string name, std::string executable)
      : name_(std::move(name)), executable_(std::move(executable)) {}
  [[nodiscard]] Result<Captured> run(UniqueFd fd);

 private:
  [[nodiscard]] Status open_program(CoreFile core);
  [[nodiscard]] Status copy(const std::vector<MemoryRange>& ranges);
  [[nodiscard]] Status copy_foreign();
  [[nodiscard]] Status copy_heap();
  void look_what_is_missing();
  void date();
  void missing(std::string what) {
    if (into_.incomplete.empty()) into_.incomplete = std::move(what);
  }

  std::string name_;
  std::string executable_;
  struct stat status_ {};
  CoreMemory* memory_ = nullptr;
  Captured into_;
};

Status CoreCapturing::open_program(CoreFile core) {
  if (executable_.empty()) executable_ = core.executable();
  if (core.entry() == 0 || executable_.empty())
    return failure(fmt::format("{}: it doesn't say which executable ran; name that with --exe FILE", name_));
  auto exe = copy_of(executable_);
  if (!exe) return exe.error();
  auto image = process::ElfImage::map(exe->get());
  if (!image) return failure(fmt::format("{}: {}", executable_, image.error().text));
  process::PostMortem facts;
  facts.pid = facts.ns_pid = core.pid();
  facts.exe = core.executable().empty() ? executable_ : core.executable();
  facts.load_bias = core.entry() - image->entry();
  const auto same = is_executable_of(core, *image, facts.load_bias);
  if (same == false)
    return failure(
        fmt::format("{}: not the executable that {} is of (its headers and build id are others); name that "
                    "with --exe FILE",
                    executable_, name_));
  if (!same) missing("the core does not hold the first page of its executable, so that no file can be told to be it");
  auto memory = std::make_unique<CoreMemory>(std::move(core), std::move(*image), facts.load_bias);
  memory_ = memory.get();
  into_.beyond = std::move(memory);
  auto snapshot = std::make_unique<process::Snapshot>();
  snapshot->fall_back_to(memory_);
  into_.snapshot = snapshot.get();
  into_.target = std::make_unique<process::Target>(
      process::Target::of_file(std::move(facts), std::move(*exe), std::move(snapshot)));
  auto program = goruntime::Program::open(*into_.target);
  if (!program)
    return failure(program.error().text +
                   "; the core may have been made without that memory (coredump_filter, core(5))");
  into_.program = std::move(*program);
  return success();
}

// REQUIRES that the core holds all of `ranges`, and the snapshot none of them.
Status CoreCapturing::copy(const std::vector<MemoryRange>& ranges) {
  if (auto added = into_.snapshot->add_sparse(ranges); !added) return added;
  std::vector<std::byte> piece(kPiece);
  for (const MemoryRange& range : ranges) {
    for (Address at = range.begin; at < range.end;) {
      const auto part = std::span(piece).first(std::min<std::uint64_t>(range.end - at, kPiece));
      if (!memory_->core().read(at, part)) return failure(fmt::format("{}: can't be read any more", name_));
      const bool zero = part[0] == std::byte{0} && std::memcmp(part.data(), part.data() + 1, part.size() - 1) == 0;
      if (!zero && !into_.snapshot->put(at, part)) return failure(fmt::format("{}: can't be copied", name_));
      at += part.size();
    }
    into_.copied_bytes += range.size();
  }
  return success();
}

// As capture() does: what is written to and not the heap's, split at the borders of arenas.
Status CoreCapturing::copy_foreign() {
  for (const CoreSegment& segment : memory_->core().segments()) {
    if (!segment.writable) continue;
    const Address held = segment.range.begin + segment.file_bytes;
    if (held < segment.range.end) into_.unreadable.push_back({held, segment.range.end});
    for (Address at = segment.range.begin; at < held;) {
      const Address border = at - goruntime::offset_in_arena(at) + goruntime::kArenaBytes;
      const MemoryRange part{at, std::min(held, border > at ? border : held)};
      if (!goruntime::in_heap_arena(*into_.program, at)) into_.foreign.push_back(part);
      at = part.end;
    }
  }
  into_.foreign = process::merged(std::move(into_.foreign));
  return copy(into_.foreign);
}

Status CoreCapturing::copy_heap() {
  if (auto found = find_spans(into_); !found) return found;
  auto ranges = ranges_of(into_.spans);
  const std::size_t count = ranges.size();
  std::erase_if(ranges, [&](const MemoryRange& range) { return !memory_->core().holds(range); });
  if (ranges.size() < count) missing("the core does not hold all of its heap (see coredump_filter in core(5))");
  return copy(ranges);
}

// What gdb leaves out of a core (madvise MADV_DONTDUMP, coredump_filter) has no program header at all: that all of C's
// memory is there can't be told. Go's own is found from the runtime's lists, and missed where it is not.
void CoreCapturing::look_what_is_missing() {
  const CoreFile& core = memory_->core();
  if (core.cut_off()) missing("the core is cut off (a full disk, or ulimit -c)");
  if (!core.vector_registers_known()) missing("the core does not hold the vector registers of all threads");
  if (into_.program->build_info().cgo)
    missing(
        "it has cgo, and a core may lack some of C's memory without saying so: C may hold what the goroutines wait "
        "for");
}

// A core has no clock: the latest time that is noted in it, so that ages are too low rather than too high.
void CoreCapturing::date() {
  std::uint64_t latest = 1;
  const goruntime::GLayout layout(into_.program->layout());
  if (const auto list = goruntime::read_allgs(*into_.program); list && layout.why_unusable().empty()) {
    for (const Address g : *list)
      if (const auto bytes = into_.snapshot->bytes(g, layout.size()))
        latest = std::max(latest, layout.decode(*bytes).wait_since);
  }
  into_.stopped_ns = into_.resumed_ns = latest;
  into_.wall_ns = std::int64_t{status_.st_mtim.tv_sec} * 1'000'000'000 + status_.st_mtim.tv_nsec;
}

Result<Captured> CoreCapturing::run(UniqueFd fd) {
  if (::fstat(fd.get(), &status_) != 0)
    return failure(fmt::format("{}: cannot stat it: {}", name_, system_text(errno)));
  auto core = CoreFile::open(std::move(fd), name_);
  if (!core) return core.error();
  into_.threads = core->threads();
  if (auto opened = open_program(std::move(*core)); !opened) return opened.error();
  if (auto copied = copy_foreign(); !copied) return copied.error();
  if (auto copied = copy_heap(); !copied) return copied.error();
  look_what_is_missing();
  date();
  return std::move(into_);
}

}  // namespace

Result<Captured> capture_core(UniqueFd core, const std::string& name, const std::string& executable) {
  auto captured = CoreCapturing(name, executable).run(std::move(core));
  if (captured || captured.error().text.find(name) != std::string::npos) return captured;
  return Error{captured.error().kind, fmt::format("{}: {}", name, captured.error().text)};
}

}  // namespace gotrace::proof
