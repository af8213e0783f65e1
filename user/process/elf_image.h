// ElfImage: a 64-bit little-endian ELF file, read in place. Needs program headers only: section headers, which
// stripping can remove, are used where they exist. The file is somebody else's: every offset and count is checked.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/byte_reader.h"
#include "base/result.h"

namespace gotrace::process {

struct Segment {              // PT_LOAD
  std::uint64_t address = 0;  // link-time
  std::uint64_t memory_size = 0;
  std::uint64_t file_offset = 0;
  std::uint64_t file_size = 0;
  bool writable = false;
  bool executable = false;
};

struct Section {
  std::string_view name;
  std::uint32_t type = 0;
  std::uint64_t address = 0;  // link-time; 0: not loaded
  std::uint64_t file_offset = 0;
  std::uint64_t size = 0;
};

class ElfImage {
 public:
  // Maps the whole file read-only; `fd` need not stay open. Error (failed): `fd` can't be mapped or is no such ELF
  // file.
  [[nodiscard]] static Result<ElfImage> map(int fd);
  // Over bytes that outlive the image.
  [[nodiscard]] static Result<ElfImage> over(Bytes file);

  ElfImage(ElfImage&& other) noexcept;
  ElfImage& operator=(ElfImage&& other) noexcept;
  ElfImage(const ElfImage&) = delete;
  ElfImage& operator=(const ElfImage&) = delete;
  ~ElfImage();

  [[nodiscard]] std::uint16_t machine() const { return machine_; }  // EM_*
  [[nodiscard]] bool position_independent() const { return position_independent_; }
  [[nodiscard]] std::uint64_t entry() const { return entry_; }  // link-time
  [[nodiscard]] std::span<const Segment> segments() const { return segments_; }
  [[nodiscard]] std::span<const Section> sections() const { return sections_; }
  [[nodiscard]] const Section* section(std::string_view name) const;  // null: none of that name

  [[nodiscard]] Bytes file() const { return file_; }
  [[nodiscard]] Bytes contents(const Segment& segment) const;  // of the file; empty when outside
  // `size` bytes at a link-time address as the file has them; nullopt when not wholly backed by one segment's file
  // bytes.
  [[nodiscard]] std::optional<Bytes> at(std::uint64_t address, std::uint64_t size) const;
  // From `address` to the end of its segment's file bytes.
  [[nodiscard]] std::optional<Bytes> from(std::uint64_t address) const;
  [[nodiscard]] std::optional<std::uint64_t> file_offset(std::uint64_t address) const;
  // The descriptor of the first note of that owner ("GNU", "Go") and type.
  [[nodiscard]] std::optional<Bytes> note(std::string_view owner, std::uint32_t type) const;

 private:
  ElfImage() = default;
  [[nodiscard]] Status parse();
  void parse_sections();
  [[nodiscard]] const Segment* segment_at(std::uint64_t address) const;

  Bytes file_;
  bool mapped_ = false;
  std::uint16_t machine_ = 0;
  bool position_independent_ = false;
  std::uint64_t entry_ = 0;
  std::vector<Segment> segments_;
  std::vector<Segment> notes_;
  std::vector<Section> sections_;
};

}  // namespace gotrace::process
