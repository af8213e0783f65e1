// A folder that is gone after the test, and whole files.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>

#include "samples.h"
#include "trace/trace.h"

namespace gotrace::trace::test {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "gotrace-trace-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void put_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// The bytes of a trace of `records`; a chunk ends after every `records_a_chunk` of them.
inline std::string trace_of(const std::vector<Record>& records, std::size_t records_a_chunk = 1'000'000,
                            bool finish = true) {
  const TemporaryFolder folder;
  const auto writer = Writer::create(folder / "t.gtl", false);
  std::size_t count = 0;
  for (const Record& record : records) {
    writer.value()->accept(record);
    if (++count % records_a_chunk == 0 && !writer.value()->flush().ok()) throw std::runtime_error("flush");
  }
  if (!(finish ? writer.value()->finish() : writer.value()->flush()).ok()) throw std::runtime_error("finish");
  return contents(folder / "t.gtl");
}

}  // namespace gotrace::trace::test
