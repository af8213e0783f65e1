#include "process/core_file.h"

#include <elf.h>
#include <fmt/format.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/private_file.h"

namespace gotrace::process {
namespace {

constexpr std::uint64_t kMostHeaders = 1U << 22;       // mappings; vm.max_map_count is 65530 by default
constexpr std::uint64_t kMostNoteBytes = 1ULL << 30;   // some 3 KiB a thread
constexpr std::size_t kLeastVectorBytes = 512 + 64;    // the legacy area and the header of an XSAVE area
constexpr std::size_t kMostExtendedBytes = 16U << 10;  // XSAVE areas are below 12 KiB up to AMX

static_assert(sizeof(elf_gregset_t) == sizeof(user_regs_struct));

std::uint64_t align4(std::uint64_t value) { return (value + 3) & ~std::uint64_t{3}; }

}  // namespace

Error CoreFile::damaged(const char* why) const {
  return failure(fmt::format("{}: a damaged core: {}; copy it again", name_, why));
}

bool CoreFile::read_file(std::uint64_t offset, std::span<std::byte> into) const {
  if (offset > size_ || into.size() > size_ - offset) return false;
  while (!into.empty()) {
    const ssize_t count = ::pread(fd_.get(), into.data(), into.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    into = into.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return true;
}

Result<CoreFile> CoreFile::open(UniqueFd fd, std::string name) {
  CoreFile core(std::move(fd), std::move(name));
  if (auto loaded = core.parse(); !loaded) return loaded.error();
  return core;
}

Status CoreFile::parse() {
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0)
    return failure(fmt::format("{}: cannot stat it: {}", name_, system_text(errno)));
  size_ = static_cast<std::uint64_t>(status.st_size);
  Elf64_Ehdr header{};
  if (!read_file(0, std::as_writable_bytes(std::span(&header, 1))) ||
      std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_type != ET_CORE || header.e_machine != EM_X86_64)
    return failure(fmt::format("{}: not a core of an amd64 process (it is another kind of ELF file)", name_));
  std::uint64_t count = header.e_phnum;
  Elf64_Shdr first{};
  if (count == PN_XNUM)  // the number is in the first section header (fs/binfmt_elf.c, fill_extnum_info)
    count = read_file(header.e_shoff, std::as_writable_bytes(std::span(&first, 1))) ? first.sh_info : 0;
  if (header.e_phentsize != sizeof(Elf64_Phdr) || count == 0 || count > kMostHeaders ||
      count > size_ / sizeof(Elf64_Phdr))
    return damaged("its program headers are not in it");
  std::vector<Elf64_Phdr> programs(static_cast<std::size_t>(count));
  if (!read_file(header.e_phoff, std::as_writable_bytes(std::span(programs))))
    return damaged("its program headers are not in it");
  for (const Elf64_Phdr& program : programs) {
    if (program.p_type == PT_NOTE)
      if (auto loaded = load_notes(program.p_offset, program.p_filesz); !loaded) return loaded;
    if (program.p_type != PT_LOAD || program.p_memsz == 0) continue;
    if (program.p_vaddr > ~0ULL - program.p_memsz || program.p_filesz > program.p_memsz)
      return damaged("a mapping is where none can be");
    CoreSegment segment{{program.p_vaddr, program.p_vaddr + program.p_memsz},
                        program.p_offset,
                        program.p_filesz,
                        (program.p_flags & PF_W) != 0};
    const std::uint64_t there = program.p_offset < size_ ? size_ - program.p_offset : 0;
    cut_off_ = cut_off_ || there < segment.file_bytes;
    segment.file_bytes = std::min(segment.file_bytes, there);
    held_.push_back({segment.range.begin, segment.range.begin + segment.file_bytes});
    segments_.push_back(segment);
  }
  std::ranges::sort(segments_, {}, [](const CoreSegment& segment) { return segment.range.begin; });
  for (std::size_t i = 1; i < segments_.size(); ++i)
    if (segments_[i].range.begin < segments_[i - 1].range.end) return damaged("two of its mappings overlap");
  held_ = merged(std::move(held_));
  if (threads_.empty()) return damaged("it has no threads");
  return success();
}

Status CoreFile::load_notes(std::uint64_t offset, std::uint64_t size) {
  if (size > kMostNoteBytes || offset > size_ || size > size_ - offset) return damaged("its notes are not in it");
  std::vector<std::byte> notes(static_cast<std::size_t>(size));
  if (!read_file(offset, notes)) return damaged("its notes are not in it");
  ByteReader reader(notes);
  while (reader.remaining() >= sizeof(Elf64_Nhdr)) {
    const auto header = reader.read<Elf64_Nhdr>();
    const auto name = header ? reader.take(align4(header->n_namesz)) : std::nullopt;
    const auto note = name ? reader.take(header->n_descsz) : std::nullopt;
    if (!note) return damaged("a note is longer than all of them");
    const auto owner = c_string(*name, 0).value_or("");
    if (owner == "CORE" || owner == "LINUX") take_note(header->n_type, *note);
    if (!reader.skip(align4(header->n_descsz) - header->n_descsz)) break;
  }
  return success();
}

// A thread's notes follow its NT_PRSTATUS (fs/binfmt_elf.c, fill_thread_core_info).
void CoreFile::take_note(std::uint32_t type, Bytes note) {
  if (type == NT_PRSTATUS) take_thread(note);
  if (type == NT_FILE) take_mappings(note);
  if (type == NT_AUXV) take_auxiliary(note);
  if (type == NT_PRPSINFO && pid_ == 0)
    if (const auto info = load<elf_prpsinfo>(note, 0)) pid_ = info->pr_pid;
  if (type == NT_X86_XSTATE && !threads_.empty() && note.size() <= kMostExtendedBytes) {
    auto& extended = threads_.back().extended;
    extended.resize(note.size() / 8);
    std::memcpy(extended.data(), note.data(), extended.size() * 8);
  }
}

void CoreFile::take_thread(Bytes note) {
  const auto status = load<elf_prstatus>(note, 0);
  if (!status) return;
  user_regs_struct general{};
  std::memcpy(&general, &status->pr_reg, sizeof general);
  StoppedThread thread;
  thread.tid = status->pr_pid;
  thread.program_counter = general.rip;
  thread.stack_pointer = general.rsp;
  thread.thread_pointer = general.fs_base;
  thread.in_system_call = static_cast<long long>(general.orig_rax) >= 0;  // -1: it was interrupted in its own code
  thread.registers.resize(sizeof general / 8);
  std::memcpy(thread.registers.data(), &general, sizeof general);
  threads_.push_back(std::move(thread));
}

// Two numbers, begin, end and page of each mapping, then their names (fs/binfmt_elf.c, fill_files_note).
void CoreFile::take_mappings(Bytes note) {
  const auto count = load<std::uint64_t>(note, 0);
  if (!count || *count > note.size() / 24) return;
  std::uint64_t name_at = 16 + *count * 24;
  for (std::uint64_t i = 0; i < *count; ++i) {
    const auto begin = load<std::uint64_t>(note, 16 + i * 24);
    const auto end = load<std::uint64_t>(note, 24 + i * 24);
    const auto path = c_string(note, name_at);
    if (!begin || !end || !path) return;
    name_at += path->size() + 1;
    mappings_.push_back({{*begin, *end}, std::string(*path)});
  }
}

void CoreFile::take_auxiliary(Bytes note) {
  for (std::size_t at = 0; const auto entry = load<Elf64_auxv_t>(note, at); at += sizeof(Elf64_auxv_t))
    if (entry->a_type == AT_ENTRY) entry_ = entry->a_un.a_val;
}

bool CoreFile::vector_registers_known() const {
  return std::ranges::all_of(
      threads_, [](const StoppedThread& thread) { return thread.extended.size() * 8 >= kLeastVectorBytes; });
}

std::string CoreFile::executable() const {
  for (const CoreMapping& mapping : mappings_)
    if (entry_ >= mapping.range.begin && entry_ < mapping.range.end) return mapping.path;
  return {};
}

std::optional<Address> CoreFile::executable_begin() const {
  const auto first = std::ranges::find(mappings_, executable(), &CoreMapping::path);
  return first == mappings_.end() ? std::nullopt : std::optional(first->range.begin);
}

bool CoreFile::holds(MemoryRange range) const {
  const auto after = std::ranges::upper_bound(held_, range.begin, {}, &MemoryRange::begin);
  return after != held_.begin() && range.end <= std::prev(after)->end;
}

bool CoreFile::read(Address address, std::span<std::byte> into) {
  const auto after =
      std::ranges::upper_bound(segments_, address, {}, [](const CoreSegment& segment) { return segment.range.begin; });
  if (after == segments_.begin()) return false;
  for (auto segment = std::prev(after); !into.empty(); ++segment) {
    if (segment == segments_.end() || address < segment->range.begin) return false;
    const std::uint64_t in_segment = address - segment->range.begin;
    if (in_segment >= segment->file_bytes) return false;
    const auto part =
        into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), segment->file_bytes - in_segment)));
    if (!read_file(segment->file_offset + in_segment, part)) return false;
    into = into.subspan(part.size());
    address += part.size();
  }
  return true;
}

}  // namespace gotrace::process
