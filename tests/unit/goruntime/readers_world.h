// A made-up Go process for the readers: a real process whose memory the test writes, and a program that says where in
// it the runtime's globals are. The memory is shared with the child, so that a test can go on between two looks.
#pragma once

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "goruntime/program.h"
#include "goruntime/symbolizer.h"

namespace gotrace::testing {

using goruntime::Field;
using process::Address;

// Collects what was sent.
class Collector final : public RecordSink {
 public:
  void accept(const Record& record) override { records.push_back(record); }
  template <typename T>
  [[nodiscard]] std::vector<T> all() const {
    std::vector<T> found;
    for (const Record& record : records) {
      if (const auto* value = std::get_if<T>(&record)) found.push_back(*value);
    }
    return found;
  }
  [[nodiscard]] SourceState source(const std::string& name) const {
    for (const auto& state : all<SourceState>()) {
      if (state.name == name) return state;
    }
    throw std::runtime_error("no source " + name);
  }
  std::vector<Record> records;
};

// Functions of 0x100 bytes at 0x400000, by name in this order; each has a frame of 24 bytes below its return address.
class SmallTable final : public goruntime::FunctionTable {
 public:
  static constexpr std::uint64_t kText = 0x400000;
  static constexpr std::uint64_t kSize = 0x100;
  static constexpr std::int32_t kFrame = 24;
  explicit SmallTable(std::vector<std::string> names) : names_(std::move(names)) {}
  [[nodiscard]] std::uint64_t entry(const std::string& name) const {
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (names_[i] == name) return kText + i * kSize;
    }
    throw std::runtime_error("no function " + name);
  }
  [[nodiscard]] std::size_t size() const override { return names_.size(); }
  [[nodiscard]] std::optional<goruntime::FunctionRange> find(std::string_view name) const override {
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (names_[i] == name) return range(i);
    }
    return std::nullopt;
  }
  [[nodiscard]] std::vector<goruntime::FunctionRange> find_prefix(std::string_view) const override { return {}; }
  [[nodiscard]] std::optional<goruntime::FunctionRange> containing(std::uint64_t pc) const override {
    if (pc < kText || pc >= kText + names_.size() * kSize) return std::nullopt;
    return range((pc - kText) / kSize);
  }
  [[nodiscard]] std::vector<Frame> frames(std::uint64_t pc) const override {
    const auto function = containing(pc);
    if (!function) return {};
    return {{.function = std::string(function->name), .file = "x.go", .line = 1}};
  }
  [[nodiscard]] std::optional<std::int32_t> stack_delta(std::uint64_t pc) const override {
    const auto function = containing(pc);
    if (!function || function->name == "no.table") return std::nullopt;
    return kFrame;
  }

 private:
  [[nodiscard]] goruntime::FunctionRange range(std::size_t i) const {
    return {kText + i * kSize, kText + (i + 1) * kSize, names_[i], 0};
  }
  std::vector<std::string> names_;
};

class World final : public goruntime::Program {
 public:
  static constexpr std::size_t kBytes = 4U << 20;
  explicit World(int minor = 24)
      : table_({"runtime.gopark", "main.wait", "main.main", "runtime.goexit", "no.table", "runtime.main",
                "runtime.bgsweep"}) {
    void* memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("mmap");
    memory_ = static_cast<std::byte*>(memory);
    pid_ = ::fork();
    if (pid_ == 0) {
      for (;;) ::pause();
    }
    bool exact = false;
    layout_ = &goruntime::layout_for(minor, exact);
    build_.minor = minor;
    auto target = process::Target::open(pid_);
    if (!target) throw std::runtime_error(target.error().text);
    target_ = std::make_unique<process::Target>(std::move(*target));
    wait_reasons_ = {"",          "chan receive", "select", "chan receive (nil chan)", "sync.Mutex.Lock",
                     "coroutine", "GC sweep wait"};
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() override {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::munmap(memory_, kBytes);
  }

  // `size` bytes of zeros, 16-aligned.
  Address make(std::size_t size) {
    const Address address = start() + used_;
    used_ += (size + 15) & ~std::size_t{15};
    if (used_ > kBytes) throw std::runtime_error("the made-up memory is used up");
    return address;
  }
  template <typename T>
  void put(Address address, T value) {
    std::memcpy(memory_ + (address - start()), &value, sizeof value);
  }
  void put_field(Address base, const Field& field, std::uint64_t value) {
    std::memcpy(memory_ + (base + field.offset - start()), &value, field.size < 8 ? field.size : 8);
  }
  void set_global(const std::string& name, Address address) { globals_[name] = address; }
  void forget_global(const std::string& name) { globals_.erase(name); }
  void end_process() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  [[nodiscard]] const SmallTable& table() const { return table_; }
  [[nodiscard]] const goruntime::BuildInfo& build_info() const override { return build_; }
  [[nodiscard]] const goruntime::FunctionTable& functions() const override { return table_; }
  [[nodiscard]] std::uint64_t load_bias() const override { return 0; }
  [[nodiscard]] const goruntime::Layout& layout() const override { return *layout_; }
  [[nodiscard]] bool layout_exact() const override { return true; }
  [[nodiscard]] std::optional<Address> global(std::string_view name) const override {
    const auto found = globals_.find(std::string(name));
    return found == globals_.end() ? std::nullopt : std::optional(found->second);
  }
  [[nodiscard]] std::string why_missing(std::string_view) const override { return "not made up"; }
  [[nodiscard]] const std::vector<std::string>& wait_reasons() const override { return wait_reasons_; }
  [[nodiscard]] std::vector<goruntime::DataRange> data_ranges() const override { return data_; }
  [[nodiscard]] std::optional<Bytes> code(const goruntime::FunctionRange&) const override { return std::nullopt; }
  [[nodiscard]] std::optional<std::uint64_t> file_offset(std::uint64_t) const override { return std::nullopt; }
  [[nodiscard]] const process::Target& target() const override { return *target_; }
  [[nodiscard]] TargetInfo target_info() const override { return {}; }

  std::vector<goruntime::DataRange> data_;

 private:
  [[nodiscard]] Address start() const { return reinterpret_cast<Address>(memory_); }
  std::byte* memory_ = nullptr;
  std::size_t used_ = 0;
  pid_t pid_ = -1;
  SmallTable table_;
  const goruntime::Layout* layout_ = nullptr;
  goruntime::BuildInfo build_;
  std::unique_ptr<process::Target> target_;
  std::map<std::string, Address> globals_;
  std::vector<std::string> wait_reasons_;
};

// Goroutines in a World.
class Goroutines {
 public:
  static constexpr std::size_t kStack = 2048;
  explicit Goroutines(World& world) : world_(world), slice_(world.make(24)), array_(world.make(8 * 64)) {
    world.put<Address>(slice_, array_);
    world.set_global("allgs", slice_);
  }
  // A goroutine parked in gopark, called by main.wait, called by goexit. Returns its g.
  Address add(std::uint64_t goid, std::uint8_t wait_reason) {
    const auto& layout = world_.layout().g;
    const Address g = world_.make(layout.size);
    const Address stack = world_.make(kStack);
    world_.put_field(g, layout.stack_lo, stack);
    world_.put_field(g, layout.stack_hi, stack + kStack);
    world_.put_field(g, layout.sched_g, g);
    world_.put_field(g, layout.goid, goid);
    world_.put_field(g, layout.gopc, world_.table().entry("main.main") + 0x20);
    world_.put_field(g, layout.startpc, world_.table().entry("main.wait"));
    world_.put_field(g, layout.waitreason, wait_reason);
    world_.put_field(g, layout.atomicstatus, 4);
    const Address sp = stack + kStack - 128;
    world_.put_field(g, layout.sched_sp, sp);
    world_.put_field(g, layout.sched_pc, world_.table().entry("runtime.gopark") + 0x10);
    world_.put<Address>(sp + SmallTable::kFrame, world_.table().entry("main.wait") + 0x30);
    world_.put<Address>(sp + 2 * SmallTable::kFrame + 8, world_.table().entry("runtime.goexit") + 1);
    world_.put<Address>(array_ + 8 * count_, g);
    world_.put<std::uint64_t>(slice_ + 8, ++count_);
    return g;
  }

 private:
  World& world_;
  Address slice_;
  Address array_;
  std::uint64_t count_ = 0;
};

}  // namespace gotrace::testing
