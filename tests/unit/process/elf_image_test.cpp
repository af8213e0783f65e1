#include "process/elf_image.h"

#include <elf.h>
#include <fcntl.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "base/unique_fd.h"

namespace gotrace::process {
namespace {

constexpr std::uint64_t kBase = 0x400000;

// An ELF file with one segment over all of it (at kBase), one note and one section.
class Builder {
 public:
  Builder() : bytes_(1024) {
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_type = ET_EXEC;
    header.e_machine = EM_X86_64;
    header.e_entry = kBase + 0x80;
    header.e_phoff = 64;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 2;
    header.e_shoff = 256;
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = 2;
    header.e_shstrndx = 1;
    load.p_type = PT_LOAD;
    load.p_flags = PF_R | PF_W;
    load.p_vaddr = kBase;
    load.p_filesz = 1024;
    load.p_memsz = 4096;
    note.p_type = PT_NOTE;
    note.p_offset = 512;
    note.p_filesz = note.p_memsz = 20;
    names.sh_type = SHT_STRTAB;
    names.sh_name = 1;
    names.sh_addr = kBase + 600;
    names.sh_offset = 600;
    names.sh_size = 8;
  }

  std::vector<std::byte> build() {
    put(0, header);
    put(64, load);
    put(64 + sizeof load, note);
    put(256 + sizeof names, names);
    put(512, Elf64_Nhdr{4, 4, 3});
    std::memcpy(bytes_.data() + 524, "GNU\0\xde\xad\xbe\xef", 8);
    std::memcpy(bytes_.data() + 600, "\0.names", 8);
    return bytes_;
  }

  Elf64_Ehdr header{};
  Elf64_Phdr load{};
  Elf64_Phdr note{};
  Elf64_Shdr names{};

 private:
  template <typename T>
  void put(std::size_t offset, const T& value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof value);
  }
  std::vector<std::byte> bytes_;
};

}  // namespace

TEST_CASE("an ELF file is read by its program headers") {
  Builder builder;
  const auto bytes = builder.build();
  const auto image = ElfImage::over(bytes);
  REQUIRE(image.ok());
  CHECK(image->machine() == EM_X86_64);
  CHECK_FALSE(image->position_independent());
  CHECK(image->entry() == kBase + 0x80);
  REQUIRE(image->segments().size() == 1);
  CHECK(image->segments()[0].writable);
  CHECK(image->file_offset(kBase + 600) == 600);
  CHECK_FALSE(image->file_offset(kBase + 1024).has_value());  // beyond the file's part of the segment
  CHECK_FALSE(image->file_offset(kBase - 1).has_value());
  REQUIRE(image->at(kBase + 1020, 4).has_value());
  CHECK_FALSE(image->at(kBase + 1020, 5).has_value());
  CHECK_FALSE(image->at(kBase, ~std::uint64_t{0}).has_value());
  CHECK(image->from(kBase + 1000)->size() == 24);
  REQUIRE(image->section(".names") != nullptr);
  CHECK(image->section(".names")->address == kBase + 600);
  CHECK(image->section(".text") == nullptr);
  REQUIRE(image->note("GNU", 3).has_value());
  CHECK(std::to_integer<int>(image->note("GNU", 3)->front()) == 0xde);
  CHECK_FALSE(image->note("GNU", 4).has_value());
  CHECK_FALSE(image->note("Go", 3).has_value());
}

TEST_CASE("an ELF file without section headers is as good") {
  Builder builder;
  builder.header.e_shoff = 0;
  builder.header.e_shnum = 0;
  const auto bytes = builder.build();
  const auto image = ElfImage::over(bytes);
  REQUIRE(image.ok());
  CHECK(image->sections().empty());
  CHECK(image->at(kBase, 4).has_value());
}

TEST_CASE("sections that lie outside of the file are not there") {
  Builder builder;
  builder.header.e_shoff = 1000;
  const auto bytes = builder.build();
  const auto image = ElfImage::over(bytes);
  REQUIRE(image.ok());
  CHECK(image->sections().empty());
}

TEST_CASE("what is no 64-bit ELF file is refused") {
  Builder builder;
  auto bytes = builder.build();
  CHECK_FALSE(ElfImage::over(std::span(bytes).first(63)).ok());
  bytes[EI_CLASS] = std::byte{ELFCLASS32};
  CHECK_FALSE(ElfImage::over(bytes).ok());
  bytes[EI_CLASS] = std::byte{ELFCLASS64};
  bytes[0] = std::byte{'#'};
  CHECK_FALSE(ElfImage::over(bytes).ok());
}

TEST_CASE("hostile headers are refused or bounded") {
  SECTION("program headers outside") {
    Builder builder;
    builder.header.e_phoff = ~std::uint64_t{0} - 8;
    CHECK_FALSE(ElfImage::over(builder.build()).ok());
  }
  SECTION("no segment") {
    Builder builder;
    builder.load.p_type = PT_NULL;
    CHECK_FALSE(ElfImage::over(builder.build()).ok());
  }
  SECTION("a segment outside the file has no contents") {
    Builder builder;
    builder.load.p_offset = ~std::uint64_t{0} - 100;
    const auto bytes = builder.build();
    const auto image = ElfImage::over(bytes);
    REQUIRE(image.ok());
    CHECK(image->contents(image->segments()[0]).empty());
    CHECK_FALSE(image->at(kBase, 1).has_value());
    CHECK_FALSE(image->file_offset(kBase).has_value());
  }
}

TEST_CASE("the test's own executable is mapped") {
  const UniqueFd fd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  auto image = ElfImage::map(fd.get());
  REQUIRE(image.ok());
  const ElfImage moved = std::move(*image);
  CHECK(moved.section(".symtab") != nullptr);
  CHECK(moved.at(moved.entry(), 16).has_value());
  CHECK_FALSE(ElfImage::map(-1).ok());
}

}  // namespace gotrace::process
