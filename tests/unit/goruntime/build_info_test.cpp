#include "goruntime/build_info.h"

#include <elf.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "goruntime/target_info.h"

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kBase = 0x500000;
constexpr std::uint64_t kBias = 0x7f0000000000;
const std::string kSentinel(16, '\x42');
const std::string kModuleInfo =
    "path\tprobe.test/tiny/cmd\n"
    "mod\tprobe.test/tiny\tv1.2.3\th1:x=\n"
    "dep\tgithub.com/a/b\tv0.1.0\th1:y=\n"
    "dep\tgithub.com/c/d\tv0.2.0\n"
    "=>\t../fork\tv0.0.0\n"
    "build\t-race=true\n"
    "build\tGOEXPERIMENT=loopvar,synctest\n"
    "build\tvcs.revision=0123abcd\n"
    "build\tvcs.modified=true\n";

// An ELF file of one segment with `content` at file offset 256 (link-time kBase + 256).
std::vector<std::byte> elf_with(const std::string& content) {
  std::vector<std::byte> bytes(256 + content.size());
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_DYN;
  header.e_machine = EM_X86_64;
  header.e_phoff = 64;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr load{};
  load.p_type = PT_LOAD;
  load.p_vaddr = kBase;
  load.p_filesz = load.p_memsz = bytes.size();
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + 64, &load, sizeof load);
  std::memcpy(bytes.data() + 256, content.data(), content.size());
  return bytes;
}

// The file's bytes, shifted by the bias: a process before it wrote anything.
class ImageMemory final : public process::RemoteMemory {
 public:
  explicit ImageMemory(Bytes file) : file_(file) {}
  bool read(process::Address address, std::span<std::byte> into) override {
    ++reads;
    const auto part = slice(file_, address - kBias - kBase, into.size());
    if (part) std::ranges::copy(*part, into.begin());
    return part.has_value();
  }
  int reads = 0;

 private:
  Bytes file_;
};

std::optional<BuildInfo> read(const std::string& content) {
  const auto bytes = elf_with(content);
  auto image = process::ElfImage::over(bytes);
  if (!image) FAIL(image.error().text);
  ImageMemory memory(bytes);
  return read_build_info(*image, memory, kBias);
}

std::string with_length(const std::string& text) {
  std::string result;
  std::size_t length = text.size();
  for (; length >= 0x80; length >>= 7) result += static_cast<char>(length | 0x80);
  return result + static_cast<char>(length) + text;
}

std::string inline_form(const std::string& version, const std::string& modules) {
  std::string blob = "\xff Go buildinf:\x08\x02";
  blob.resize(32, '\0');
  return blob + with_length(version) + with_length(modules);
}

std::string word(std::uint64_t value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }

// Go 1.15: pointers to string headers, as they are in a relocated process.
std::string pointer_form(const std::string& version, const std::string& modules, std::uint64_t version_length) {
  const std::uint64_t here = kBase + 256 + kBias;
  std::string blob("\xff Go buildinf:\x08\x00", 16);
  blob += word(here + 32) + word(here + 48);
  blob += word(here + 64) + word(version_length) + word(here + 64 + version.size()) + word(modules.size());
  return blob + version + modules;
}

}  // namespace

TEST_CASE("build info with strings in place") {
  const auto info =
      read(std::string(16, 'x') + inline_form("go1.24.4 X:rangefunc", kSentinel + kModuleInfo + kSentinel));
  REQUIRE(info.has_value());
  CHECK(info->go_version == "go1.24.4");
  CHECK(info->minor == 24);
  CHECK(info->main_module == "probe.test/tiny");
  CHECK(info->main_version == "v1.2.3");
  CHECK(info->vcs_revision == "0123abcd");
  CHECK(info->modules == std::vector<std::string>{"probe.test/tiny", "github.com/a/b", "github.com/c/d"});
  CHECK(info->experiments == std::vector<std::string>{"rangefunc", "loopvar", "synctest"});
  CHECK(info->race);
  CHECK(info->pie);
  CHECK(info->stripped);
  CHECK(info->arch == "amd64");
}

TEST_CASE("build info with pointers, in a position independent program") {
  const auto info = read(pointer_form("go1.15.15", kSentinel + kModuleInfo + kSentinel, 9));
  REQUIRE(info.has_value());
  CHECK(info->go_version == "go1.15.15");
  CHECK(info->minor == 15);
  CHECK(info->main_module == "probe.test/tiny");
}

TEST_CASE("a file without build info is no Go program") {
  CHECK_FALSE(read("nothing here, nothing at all").has_value());
  CHECK_FALSE(read(std::string(4, 'x') + inline_form("go1.24.4", "")).has_value());  // not aligned
  CHECK_FALSE(read(inline_form("a constant of debug/buildinfo", "")).has_value());   // no version
  CHECK_FALSE(read(pointer_form("go1.15.15", "", 1ULL << 40)).has_value());          // hostile length
  CHECK_FALSE(read(inline_form("go1.24.4", "").substr(0, 36)).has_value());          // cut off
}

TEST_CASE("the constant of debug/buildinfo before the real thing is passed over") {
  std::string constant = inline_form("no version", "");
  constant.resize(64);
  const auto info = read(constant + inline_form("go1.21.13", ""));
  REQUIRE(info.has_value());
  CHECK(info->minor == 21);
}

TEST_CASE("versions") {
  const auto minor_of = [](std::string_view text) {
    BuildInfo info;
    parse_go_version(text, info);
    return std::pair(info.go_version, info.minor);
  };
  CHECK(minor_of("go1.19.8") == std::pair<std::string, int>("go1.19.8", 19));
  CHECK(minor_of("devel go1.25-abcdef Mon Jan 1") == std::pair<std::string, int>("go1.25-abcdef", 25));
  CHECK(minor_of("devel +abc") == std::pair<std::string, int>("devel", 0));
  CHECK(minor_of("go1.27rc1") == std::pair<std::string, int>("go1.27rc1", 27));
}

TEST_CASE("module information that is damaged costs what is damaged") {
  BuildInfo info;
  parse_module_info("mod\nmod\t\nbuild\tvcs.revision\n\tx\ndep\tonly.path\n", info);
  CHECK(info.main_module.empty());
  CHECK(info.vcs_revision.empty());
  CHECK(info.modules == std::vector<std::string>{"only.path"});
}

TEST_CASE("cgroup paths and container ids") {
  const std::string id(64, 'a');
  CHECK(container_id_of("/system.slice/docker-" + id + ".scope") == id);
  CHECK(container_id_of("/kubepods/burstable/pod1234/" + id) == id);
  CHECK(container_id_of("/user.slice/user-0.slice").empty());
  CHECK(container_id_of("/" + id + "a").empty());
  CHECK(cgroup_path_of("0::/system.slice/x.service\n") == "/system.slice/x.service");
  CHECK(cgroup_path_of("12:cpu,memory:/docker/y\n0::/system.slice/x\n") == "/docker/y");
  CHECK(cgroup_path_of("5:cpu:/c\n").empty());
}

}  // namespace gotrace::goruntime
