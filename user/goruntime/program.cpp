#include "goruntime/program.h"

#include <elf.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "goruntime/build_info.h"
#include "goruntime/globals.h"
#include "goruntime/module_data.h"
#include "goruntime/pclntab.h"
#include "goruntime/symbol_table.h"
#include "goruntime/target_info.h"
#include "process/elf_image.h"

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kLongestWaitReason = 128;

// The entry point as the kernel tells it, less that of the file. Needs no name, device or inode of the file, all of
// which may look different from inside a container (overlayfs).
std::optional<std::uint64_t> bias_by_entry(const process::Target& target, const process::ElfImage& image) {
  std::ifstream in(fmt::format("/proc/{}/auxv", target.pid()), std::ios::binary);
  Elf64_auxv_t entry{};
  while (in.read(reinterpret_cast<char*>(&entry), sizeof entry) && entry.a_type != AT_NULL) {
    if (entry.a_type == AT_ENTRY) return entry.a_un.a_val - image.entry();
  }
  return std::nullopt;
}

// The mapping of the file's first segment.
std::optional<std::uint64_t> bias_by_mapping(const process::Target& target, const process::ElfImage& image) {
  struct stat file {};
  const auto mappings = target.mappings();
  if (!mappings || ::fstat(target.exe_fd(), &file) != 0) return std::nullopt;
  const process::Segment& first = image.segments().front();
  const std::uint64_t offset_in_page = first.address % 4096;
  for (const process::Mapping& mapping : *mappings) {
    if (mapping.inode == file.st_ino && mapping.device_major == ::major(file.st_dev) &&
        mapping.device_minor == ::minor(file.st_dev) && mapping.file_offset == first.file_offset - offset_in_page) {
      return mapping.begin - (first.address - offset_in_page);
    }
  }
  return std::nullopt;
}

// The code in the process is that of the file: the bias is right and the file is what runs. Compared is the start of
// the first segment, the ELF header as a rule.
bool fits(const process::Target& target, const process::ElfImage& image, std::uint64_t bias) {
  const process::Segment& first = image.segments().front();
  const Bytes in_file = image.contents(first).first(std::min<std::size_t>(image.contents(first).size(), 64));
  std::vector<std::byte> in_memory(in_file.size());
  return target.memory().read(first.address + bias, in_memory) && std::ranges::equal(in_file, in_memory);
}

Result<std::uint64_t> find_load_bias(const process::Target& target, const process::ElfImage& image) {
  if (const auto* known = target.post_mortem()) {
    if (fits(target, image, known->load_bias)) return known->load_bias;
    return failure("its memory is not that of this executable");
  }
  for (const auto& bias : {bias_by_entry(target, image), bias_by_mapping(target, image)}) {
    if (bias && fits(target, image, *bias)) return *bias;
  }
  return failure("cannot find where its executable is mapped (/proc/PID/auxv and maps)");
}

std::string about(const process::Target& target) { return fmt::format("pid {} ({}): ", target.pid(), target.exe()); }

Error about(const process::Target& target, const Error& error) { return {error.kind, about(target) + error.text}; }

class LiveProgram final : public Program {
 public:
  LiveProgram(const process::Target& target, process::ElfImage image, std::uint64_t bias, BuildInfo build_info)
      : target_(target),
        image_(std::move(image)),
        bias_(bias),
        build_info_(std::move(build_info)),
        // A version that does not read as go1.N is a development one: the newest row is the best guess.
        layout_(layout_for(build_info_.minor == 0 ? layouts().back().minor + 1 : build_info_.minor, layout_exact_)) {}

  // Once, right after construction.
  [[nodiscard]] Status load();

  [[nodiscard]] const BuildInfo& build_info() const override { return build_info_; }
  [[nodiscard]] const FunctionTable& functions() const override { return *functions_; }
  [[nodiscard]] std::uint64_t load_bias() const override { return bias_; }
  [[nodiscard]] const Layout& layout() const override { return layout_; }
  [[nodiscard]] bool layout_exact() const override { return layout_exact_; }
  [[nodiscard]] std::optional<process::Address> global(std::string_view name) const override;
  [[nodiscard]] std::string why_missing(std::string_view name) const override;
  [[nodiscard]] const std::vector<std::string>& wait_reasons() const override { return wait_reasons_; }
  [[nodiscard]] std::vector<DataRange> data_ranges() const override { return {module_.data, module_.bss}; }
  [[nodiscard]] std::optional<Bytes> code(const FunctionRange& function) const override;
  [[nodiscard]] std::optional<std::uint64_t> file_offset(std::uint64_t address) const override {
    return image_.file_offset(address);
  }
  [[nodiscard]] std::string variable_name(std::uint64_t address) const override { return symbol_at(image_, address); }
  [[nodiscard]] std::vector<DataRange> variable_ranges() const override { return variables_of(image_); }
  [[nodiscard]] const process::Target& target() const override { return target_; }
  [[nodiscard]] TargetInfo target_info() const override { return make_target_info(*this); }

 private:
  [[nodiscard]] Result<PclnSource> table_source() const;
  void read_wait_reasons();

  const process::Target& target_;
  process::ElfImage image_;
  std::uint64_t bias_;
  BuildInfo build_info_;
  bool layout_exact_ = false;
  const Layout& layout_;
  ModuleData module_;
  std::unique_ptr<PclnTable> functions_;
  Globals globals_;
  std::vector<std::string> wait_reasons_;
};

Status LiveProgram::load() {
  auto module = find_module_data(image_, target_.memory(), bias_, layout_);
  if (!module) return module.error();
  module_ = *module;
  auto source = table_source();
  if (!source) return source.error();
  auto functions = PclnTable::open(std::move(*source));
  if (!functions) return functions.error();
  functions_ = std::move(*functions);
  globals_ = find_globals(
      *functions_, [this](const FunctionRange& function) { return code(function); },
      [this](std::uint64_t address, std::uint64_t size) { return image_.at(address, size); }, module_, layout_);
  read_wait_reasons();
  // crosscall2 is in package runtime/cgo and linked whenever that package is.
  build_info_.cgo = functions_->find("crosscall2").has_value();
  return success();
}

// Read in place, in the file. Only before Go 1.18 the table holds pointers, and in a position independent file they are
// not there yet: the process has them.
Result<PclnSource> LiveProgram::table_source() const {
  PclnSource source;
  source.text = module_.text;
  source.go_func = module_.go_func;
  source.wrapper_id = wrapper_function_id(layout_exact_ || build_info_.minor != 0 ? build_info_.minor : layout_.minor);
  source.image = [this](std::uint64_t address, std::uint64_t size) { return image_.at(address, size); };
  const auto in_file = image_.at(module_.table_address, module_.table_size);
  if (!in_file) return failure("its function table (pclntab) is damaged: it reaches beyond the file");
  source.table = *in_file;
  if (bias_ != 0 && (module_.format == PclnFormat::go12 || module_.format == PclnFormat::go116)) {
    auto copy = target_.memory().block(module_.table_address + bias_, module_.table_size);
    if (!copy) return failure("its function table (pclntab) cannot be read from the process");
    source.owned = std::move(*copy);
    source.pointer_bias = bias_;
  }
  return source;
}

void LiveProgram::read_wait_reasons() {
  const auto strings = global("waitReasonStrings");
  if (!strings) return;
  for (std::size_t i = 0; i < globals_.wait_reason_count; ++i) {
    const auto data = target_.memory().value<std::uint64_t>(*strings + 16 * i);
    const auto length = target_.memory().value<std::uint64_t>(*strings + 16 * i + 8);
    const bool short_enough = data && length && *length <= kLongestWaitReason;
    const auto text = short_enough ? target_.memory().block(*data, *length) : std::nullopt;
    wait_reasons_.push_back(text ? std::string(reinterpret_cast<const char*>(text->data()), text->size()) : "");
  }
}

std::optional<process::Address> LiveProgram::global(std::string_view name) const {
  const auto found = globals_.found.find(name);
  if (found == globals_.found.end()) return std::nullopt;
  return found->second + bias_;
}

std::string LiveProgram::why_missing(std::string_view name) const {
  if (globals_.found.contains(name)) return {};
  const auto reason = globals_.missing.find(name);
  return reason == globals_.missing.end() ? fmt::format("no way is known to find {}", name) : reason->second;
}

std::optional<Bytes> LiveProgram::code(const FunctionRange& function) const {
  if (function.end < function.entry) return std::nullopt;
  return image_.at(function.entry, function.end - function.entry);
}

}  // namespace

Result<std::unique_ptr<Program>> Program::open(const process::Target& target) {
  const Error not_go{ErrorKind::no_target, about(target) + "not a Go program (no Go build info)"};
  auto image = process::ElfImage::map(target.exe_fd());
  if (!image) return not_go;
  const auto bias = find_load_bias(target, *image);
  if (!bias) return about(target, bias.error());
  auto build_info = read_build_info(*image, target.memory(), *bias);
  if (!build_info) return not_go;
  if (image->machine() != EM_X86_64) {
    return Error{ErrorKind::no_target,
                 about(target) + fmt::format("a Go program for {}; only amd64 is supported", build_info->arch)};
  }
  auto program = std::make_unique<LiveProgram>(target, std::move(*image), *bias, std::move(*build_info));
  if (auto loaded = program->load(); !loaded) return about(target, loaded.error());
  return std::unique_ptr<Program>(std::move(program));
}

}  // namespace gotrace::goruntime
