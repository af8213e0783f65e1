// A small core, as the kernel writes it: two threads, three mappings, the executable's entry.
#pragma once

#include <elf.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <sys/user.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "process/core_file.h"

namespace gotrace::testing {

template <typename T>
std::string raw(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

inline std::string core_note(std::uint32_t type, const std::string& bytes, const std::string& owner = "CORE") {
  Elf64_Nhdr header{};
  header.n_namesz = static_cast<Elf64_Word>(owner.size() + 1);
  header.n_descsz = static_cast<Elf64_Word>(bytes.size());
  header.n_type = type;
  const auto padded = [](std::string text) {
    text.resize((text.size() + 3) / 4 * 4);
    return text;
  };
  return raw(header) + padded(owner + std::string(1, '\0')) + padded(bytes);
}

inline std::string thread_note(pid_t tid, std::uint64_t stack_pointer, std::int64_t system_call) {
  elf_prstatus status{};
  status.pr_pid = tid;
  user_regs_struct general{};
  general.rip = 0x401234;
  general.rsp = stack_pointer;
  general.fs_base = 0x7000;
  general.orig_rax = static_cast<unsigned long long>(system_call);
  std::memcpy(&status.pr_reg, &general, sizeof general);
  return core_note(NT_PRSTATUS, raw(status));
}

inline std::string sample_notes() {
  elf_prpsinfo info{};
  info.pr_pid = 42;
  std::string files = raw(std::uint64_t{1}) + raw(std::uint64_t{4096});
  files += raw(std::uint64_t{0x400000}) + raw(std::uint64_t{0x402000}) + raw(std::uint64_t{0});
  files += std::string("/bin/x") + '\0';
  const std::string auxiliary = raw(Elf64_auxv_t{AT_ENTRY, {0x401000}}) + raw(Elf64_auxv_t{AT_NULL, {0}});
  const std::string vectors = core_note(NT_X86_XSTATE, std::string(832, 'v'), "LINUX");
  return thread_note(42, 0x10008, -1) + core_note(NT_PRPSINFO, raw(info)) + core_note(NT_AUXV, auxiliary) +
         core_note(NT_FILE, files) + vectors + thread_note(43, 0x10100, 202) + vectors;
}

// A page of 'a' and one of 'b' side by side, the second one's second half left out; a page of which nothing is in it.
inline std::string sample_core(const std::string& notes = sample_notes()) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_CORE;
  header.e_machine = EM_X86_64;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 4;
  const std::uint64_t notes_at = sizeof header + 4 * sizeof(Elf64_Phdr);
  const std::uint64_t memory_at = notes_at + notes.size();
  const auto program = [](std::uint32_t type, std::uint32_t flags, std::uint64_t address, std::uint64_t offset,
                          std::uint64_t in_file, std::uint64_t in_memory) {
    Elf64_Phdr result{};
    result.p_type = type;
    result.p_flags = flags;
    result.p_vaddr = address;
    result.p_offset = offset;
    result.p_filesz = in_file;
    result.p_memsz = in_memory;
    return raw(result);
  };
  return raw(header) + program(PT_NOTE, 0, 0, notes_at, notes.size(), 0) +
         program(PT_LOAD, PF_R | PF_W, 0x10000, memory_at, 4096, 4096) +
         program(PT_LOAD, PF_R | PF_W, 0x11000, memory_at + 4096, 2048, 4096) +
         program(PT_LOAD, PF_R, 0x400000, memory_at, 0, 4096) + notes + std::string(4096, 'a') + std::string(2048, 'b');
}

inline UniqueFd file_of(const std::string& contents) {
  UniqueFd fd(::memfd_create("core", MFD_CLOEXEC));
  if (::pwrite(fd.get(), contents.data(), contents.size(), 0) != static_cast<ssize_t>(contents.size()))
    throw std::runtime_error("memfd");
  return fd;
}

}  // namespace gotrace::testing
