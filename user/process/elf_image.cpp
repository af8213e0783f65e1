#include "process/elf_image.h"

#include <elf.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace gotrace::process {
namespace {

constexpr std::size_t kMostSections = 4096;
constexpr std::size_t kMostNotes = 256;

std::uint64_t align4(std::uint64_t value) { return (value + 3) & ~std::uint64_t{3}; }

std::optional<Bytes> find_note(Bytes notes, std::string_view owner, std::uint32_t type) {
  ByteReader reader(notes);
  for (std::size_t i = 0; i < kMostNotes; ++i) {
    const auto header = reader.read<Elf64_Nhdr>();
    if (!header) return std::nullopt;
    const auto name = reader.take(align4(header->n_namesz));
    const auto descriptor = reader.take(header->n_descsz);
    if (!name || !descriptor) return std::nullopt;
    if (header->n_type == type && c_string(*name, 0).value_or("") == owner) return descriptor;
    if (!reader.skip(align4(header->n_descsz) - header->n_descsz)) return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

// An executable that runs can't be written to or truncated (ETXTBSY), so the mapping does not shrink under us.
Result<ElfImage> ElfImage::map(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return failure(std::string("cannot stat the executable: ") + std::strerror(errno));
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size < sizeof(Elf64_Ehdr)) return failure("the executable is too short to be an ELF file");
  void* base = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (base == MAP_FAILED) return failure(std::string("cannot map the executable: ") + std::strerror(errno));
  ElfImage image;
  image.file_ = Bytes(static_cast<const std::byte*>(base), size);
  image.mapped_ = true;
  if (auto parsed = image.parse(); !parsed) return parsed.error();
  return image;
}

Result<ElfImage> ElfImage::over(Bytes file) {
  ElfImage image;
  image.file_ = file;
  if (auto parsed = image.parse(); !parsed) return parsed.error();
  return image;
}

ElfImage::ElfImage(ElfImage&& other) noexcept { *this = std::move(other); }

ElfImage& ElfImage::operator=(ElfImage&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(mapped_, other.mapped_);
  std::swap(machine_, other.machine_);
  std::swap(position_independent_, other.position_independent_);
  std::swap(entry_, other.entry_);
  std::swap(segments_, other.segments_);
  std::swap(notes_, other.notes_);
  std::swap(sections_, other.sections_);
  return *this;
}

ElfImage::~ElfImage() {
  // munmap wants a pointer to non-const; the mapping is ours.
  if (mapped_) ::munmap(const_cast<std::byte*>(file_.data()), file_.size());  // NOLINT
}

Status ElfImage::parse() {
  const auto header = load<Elf64_Ehdr>(file_, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return failure("not an ELF file");
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB) {
    return failure("not a 64-bit little-endian ELF file");
  }
  machine_ = header->e_machine;
  position_independent_ = header->e_type == ET_DYN;
  entry_ = header->e_entry;
  if (header->e_phentsize != sizeof(Elf64_Phdr)) return failure("ELF file without program headers");
  for (std::uint64_t i = 0; i < header->e_phnum; ++i) {
    const auto program = slice(file_, header->e_phoff, i * sizeof(Elf64_Phdr))
                             ? load<Elf64_Phdr>(file_, header->e_phoff + i * sizeof(Elf64_Phdr))
                             : std::nullopt;
    if (!program) return failure("ELF file with program headers outside of it");
    const Segment segment{program->p_vaddr,
                          program->p_memsz,
                          program->p_offset,
                          std::min(program->p_filesz, program->p_memsz),
                          (program->p_flags & PF_W) != 0,
                          (program->p_flags & PF_X) != 0};
    if (program->p_type == PT_LOAD) segments_.push_back(segment);
    if (program->p_type == PT_NOTE) notes_.push_back(segment);
  }
  if (segments_.empty()) return failure("ELF file without anything to load");
  parse_sections();
  return success();
}

void ElfImage::parse_sections() {
  const auto header = load_or_zero<Elf64_Ehdr>(file_, 0);
  if (header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shnum > kMostSections) return;
  const auto table = slice(file_, header.e_shoff, std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr));
  if (!table) return;
  const auto names = load<Elf64_Shdr>(*table, std::uint64_t{header.e_shstrndx} * sizeof(Elf64_Shdr));
  if (!names) return;
  const auto name_bytes = slice(file_, names->sh_offset, names->sh_size);
  if (!name_bytes) return;
  for (std::size_t i = 0; i < header.e_shnum; ++i) {
    const auto section = load_or_zero<Elf64_Shdr>(*table, i * sizeof(Elf64_Shdr));
    sections_.push_back({c_string(*name_bytes, section.sh_name).value_or(""), section.sh_type, section.sh_addr,
                         section.sh_offset, section.sh_size});
  }
}

const Section* ElfImage::section(std::string_view name) const {
  const auto found = std::ranges::find(sections_, name, &Section::name);
  return found == sections_.end() ? nullptr : &*found;
}

Bytes ElfImage::contents(const Segment& segment) const {
  return slice(file_, segment.file_offset, segment.file_size).value_or(Bytes{});
}

const Segment* ElfImage::segment_at(std::uint64_t address) const {
  const auto found = std::ranges::find_if(segments_, [address](const Segment& segment) {
    return address >= segment.address && address - segment.address < segment.file_size;
  });
  return found == segments_.end() ? nullptr : &*found;
}

std::optional<Bytes> ElfImage::at(std::uint64_t address, std::uint64_t size) const {
  const Segment* segment = segment_at(address);
  if (segment == nullptr) return std::nullopt;
  return slice(contents(*segment), address - segment->address, size);
}

std::optional<Bytes> ElfImage::from(std::uint64_t address) const {
  const Segment* segment = segment_at(address);
  if (segment == nullptr) return std::nullopt;
  const Bytes bytes = contents(*segment);
  const std::uint64_t offset = address - segment->address;
  if (offset >= bytes.size()) return std::nullopt;
  return bytes.subspan(static_cast<std::size_t>(offset));
}

std::optional<std::uint64_t> ElfImage::file_offset(std::uint64_t address) const {
  const Segment* segment = segment_at(address);
  if (segment == nullptr || !from(address)) return std::nullopt;
  return segment->file_offset + (address - segment->address);
}

std::optional<Bytes> ElfImage::note(std::string_view owner, std::uint32_t type) const {
  for (const Segment& segment : notes_) {
    if (auto found = find_note(contents(segment), owner, type)) return found;
  }
  return std::nullopt;
}

}  // namespace gotrace::process
