// A small snapshot file: whole in all its parts, of an executable that is no Go program.
#pragma once

#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "proof/snapshot_blocks.h"
#include "proof/snapshot_facts.h"
#include "proof/snapshot_file.h"

namespace gotrace::testing {

struct RawBlock {
  proof::BlockKind kind;
  std::uint64_t address = 0;
  std::vector<std::byte> bytes;
};

inline std::vector<std::byte> tiny_executable() {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_machine = EM_X86_64;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr segment{};
  segment.p_type = PT_LOAD;
  segment.p_flags = PF_R;
  segment.p_vaddr = 0x400000;
  segment.p_filesz = segment.p_memsz = sizeof header + sizeof segment;
  std::vector<std::byte> file(sizeof header + sizeof segment);
  std::memcpy(file.data(), &header, sizeof header);
  std::memcpy(file.data() + sizeof header, &segment, sizeof segment);
  return file;
}

inline proof::SnapshotFacts sample_facts() {
  proof::SnapshotFacts facts;
  facts.process = {.pid = 42,
                   .ns_pid = 7,
                   .host = "here",
                   .cgroup = "/a",
                   .exe = "/bin/x",
                   .exe_deleted = true,
                   .started_wall_ns = -5,
                   .started_ns = 6,
                   .load_bias = 0};
  facts.wall_ns = 1;
  facts.stopped_ns = 2;
  facts.resumed_ns = 3;
  facts.pause_ns = 1;
  facts.copied_bytes = 4096;
  facts.executable_bytes = tiny_executable().size();
  return facts;
}

inline std::vector<RawBlock> sample_blocks() {
  process::StoppedThread thread;
  thread.tid = 43;
  thread.stack_pointer = 0x1000;
  thread.registers = {1, 2, 3};
  thread.extended = {4, 5};
  const std::vector<process::MemoryRange> ranges{{0x10000, 0x12000}, {0x20000, 0x21000}};
  using Kind = proof::BlockKind;
  return {{Kind::facts, 0, proof::encode(sample_facts())},
          {Kind::thread, 0, proof::encode(thread)},
          {Kind::ranges, 0, proof::encode(std::span(ranges))},
          {Kind::ranges, 1, proof::encode(std::span(ranges).first(1))},
          {Kind::executable, 0, tiny_executable()},
          {Kind::memory, 0x10ff0, std::vector<std::byte>(32, std::byte{9})},
          {Kind::end, 0, {}}};
}

inline std::string snapshot_of(const std::vector<RawBlock>& blocks) {
  std::string folder = (std::filesystem::temp_directory_path() / "gotrace.XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("mkdtemp");
  std::string contents;
  if (auto file = PendingFile::create(folder + "/s", false, "the snapshot")) {
    proof::BlockWriter writer(*file);
    bool good = writer.start().ok();
    for (const RawBlock& block : blocks) good = good && writer.put(block.kind, block.address, block.bytes).ok();
    if (good && file->finish().ok()) {
      std::ifstream in(folder + "/s", std::ios::binary);
      contents.assign(std::istreambuf_iterator<char>(in), {});
    }
  }
  std::filesystem::remove_all(folder);
  return contents;
}

// What reading these bytes ends with.
inline std::string trouble_of(const std::string& contents) {
  const UniqueFd fd(::memfd_create("snapshot", MFD_CLOEXEC));
  if (::pwrite(fd.get(), contents.data(), contents.size(), 0) != static_cast<ssize_t>(contents.size()))
    throw std::runtime_error("memfd");
  const auto captured = proof::read_snapshot(fd.get(), "s");
  return captured ? "" : captured.error().text;
}

}  // namespace gotrace::testing
