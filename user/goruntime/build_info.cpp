#include "goruntime/build_info.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>
#include <vector>

namespace gotrace::goruntime {
namespace {

constexpr std::string_view kMagic = "\xff Go buildinf:";
constexpr std::uint64_t kAlignment = 16;
constexpr std::uint64_t kInlineStrings = 32;  // offset of the strings in the form since 1.18
constexpr std::uint8_t kFlagInline = 2;
constexpr std::uint64_t kLongestVersion = 256;
constexpr std::uint64_t kLongestModuleInfo = 4 << 20;
constexpr std::size_t kSentinel = 16;  // bytes that enclose the module information: runtime/debug/mod.go, modinfo
constexpr std::uint32_t kNoteGnuBuildId = 3;
constexpr std::uint32_t kNoteGoBuildId = 4;  // cmd/internal/buildid/note.go

struct Strings {
  std::string version;
  std::string module_info;
};

std::string to_string(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

std::optional<std::string> inline_string(ByteReader& reader, std::uint64_t limit) {
  std::uint64_t length = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const auto byte = reader.read<std::uint8_t>();
    if (!byte) return std::nullopt;
    length |= std::uint64_t{*byte & 0x7fU} << shift;
    if (*byte < 0x80) break;
  }
  if (length > limit) return std::nullopt;
  const auto bytes = reader.take(length);
  if (!bytes) return std::nullopt;
  return to_string(*bytes);
}

std::optional<std::string> pointed_string(process::RemoteMemory& memory, process::Address header, std::uint64_t limit) {
  const auto data = memory.value<std::uint64_t>(header);
  const auto length = memory.value<std::uint64_t>(header + 8);
  if (!data || !length || *length > limit) return std::nullopt;
  const auto bytes = memory.block(*data, *length);
  if (!bytes) return std::nullopt;
  return to_string(*bytes);
}

// `blob` begins with the magic and lies at link-time address `address`.
std::optional<Strings> read_strings(Bytes blob, std::uint64_t address, process::RemoteMemory& memory,
                                    std::uint64_t bias) {
  const auto pointer_size = load<std::uint8_t>(blob, 14);
  const auto flags = load<std::uint8_t>(blob, 15);
  if (!pointer_size || !flags) return std::nullopt;
  if ((*flags & kFlagInline) != 0) {
    ByteReader reader(blob);
    if (!reader.skip(kInlineStrings)) return std::nullopt;
    const auto version = inline_string(reader, kLongestVersion);
    if (!version) return std::nullopt;
    return Strings{*version, inline_string(reader, kLongestModuleInfo).value_or("")};
  }
  if (*pointer_size != 8 || *flags != 0) return std::nullopt;  // 8-byte pointers, little endian: amd64
  const auto version_header = memory.value<std::uint64_t>(address + bias + 16);
  const auto module_header = memory.value<std::uint64_t>(address + bias + 24);
  if (!version_header || !module_header) return std::nullopt;
  const auto version = pointed_string(memory, *version_header, kLongestVersion);
  if (!version) return std::nullopt;
  return Strings{*version, pointed_string(memory, *module_header, kLongestModuleInfo).value_or("")};
}

bool plausible(const Strings& strings) {
  return strings.version.find("go1.") != std::string::npos || strings.version.starts_with("devel");
}

// Programs that import debug/buildinfo hold the magic in their constants too: what does not read as a version is
// passed over.
std::optional<Strings> search(Bytes bytes, std::uint64_t address, process::RemoteMemory& memory, std::uint64_t bias) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (auto at = text.find(kMagic); at != std::string_view::npos; at = text.find(kMagic, at + 1)) {
    if ((address + at) % kAlignment != 0) continue;
    auto strings = read_strings(bytes.subspan(at), address + at, memory, bias);
    if (strings && plausible(*strings)) return strings;
  }
  return std::nullopt;
}

std::optional<Strings> find_strings(const process::ElfImage& image, process::RemoteMemory& memory, std::uint64_t bias) {
  if (const auto* section = image.section(".go.buildinfo"); section != nullptr) {
    if (const auto bytes = image.at(section->address, section->size)) {
      if (auto strings = search(*bytes, section->address, memory, bias)) return strings;
    }
  }
  for (const auto& segment : image.segments()) {
    if (auto strings = search(image.contents(segment), segment.address, memory, bias)) return strings;
  }
  return std::nullopt;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find(separator), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

void add_experiments(std::string_view text, BuildInfo& info) {
  for (std::string& name : split(text, ',')) {
    if (std::ranges::find(info.experiments, name) == info.experiments.end()) info.experiments.push_back(name);
  }
}

void apply_setting(std::string_view setting, BuildInfo& info) {
  const auto equals = setting.find('=');
  if (equals == std::string_view::npos) return;
  const auto key = setting.substr(0, equals);
  const auto value = setting.substr(equals + 1);
  if (key == "vcs.revision") info.vcs_revision = value;
  if (key == "GOEXPERIMENT") add_experiments(value, info);
  if (key == "-race") info.race = value == "true";
}

std::string build_id(const process::ElfImage& image) {
  std::string text;
  if (const auto gnu = image.note("GNU", kNoteGnuBuildId)) {
    for (const std::byte byte : *gnu) text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
    return text;
  }
  if (const auto go = image.note("Go", kNoteGoBuildId)) text = to_string(*go);
  return text;
}

std::string architecture(std::uint16_t machine) {
  switch (machine) {
    case EM_X86_64:
      return "amd64";
    case EM_AARCH64:
      return "arm64";
    case EM_RISCV:
      return "riscv64";
    case EM_PPC64:
      return "ppc64le";
    default:
      return fmt::format("ELF machine {}", machine);
  }
}

}  // namespace

void parse_go_version(std::string_view text, BuildInfo& info) {
  const auto experiments = text.find(" X:");
  if (experiments != std::string_view::npos) add_experiments(text.substr(experiments + 3), info);
  const auto version = text.find("go1.");
  info.go_version = text.substr(version == std::string_view::npos ? 0 : version);
  info.go_version.resize(std::min(info.go_version.find(' '), info.go_version.size()));
  info.minor = 0;
  if (version != std::string_view::npos) {
    std::from_chars(info.go_version.data() + 4, info.go_version.data() + info.go_version.size(), info.minor);
  }
}

void parse_module_info(std::string_view text, BuildInfo& info) {
  for (const std::string& line : split(text, '\n')) {
    const auto fields = split(line, '\t');
    if (fields.size() < 2) continue;
    if (fields[0] == "mod") {
      info.main_module = fields[1];
      if (fields.size() > 2) info.main_version = fields[2];
    }
    if (fields[0] == "mod" || fields[0] == "dep") info.modules.push_back(fields[1]);
    if (fields[0] == "build") apply_setting(fields[1], info);
  }
}

std::optional<BuildInfo> read_build_info(const process::ElfImage& image, process::RemoteMemory& memory,
                                         std::uint64_t bias) {
  const auto strings = find_strings(image, memory, bias);
  if (!strings) return std::nullopt;
  BuildInfo info;
  parse_go_version(strings->version, info);
  std::string_view module_info = strings->module_info;
  if (module_info.size() > 2 * kSentinel && module_info[module_info.size() - kSentinel - 1] == '\n') {
    module_info = module_info.substr(kSentinel, module_info.size() - 2 * kSentinel);
  }
  parse_module_info(module_info, info);
  info.build_id = build_id(image);
  info.arch = architecture(image.machine());
  info.pie = image.position_independent();
  info.stripped = std::ranges::none_of(image.sections(), [](const auto& s) { return s.type == SHT_SYMTAB; });
  return info;
}

}  // namespace gotrace::goruntime
